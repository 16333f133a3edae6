"""`docs/reliability.md` tells of the fault run what the code does."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from chaos import load, schedule, settling, small_disk, world
from chaos.crew import DEVICES as CREW_DEVICES
from chaos.crew_ideas import IDEAS
from chaos.crew_manners import MANNERS
from chaos.crew_member import BAD_ITEMS
from chaos.schedule import LANES, Fault
from tests.helpers.markdown import section_of

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
RUN = " ".join(section_of(DOCUMENT, "The fault run").split())
MEGABYTE = 1024 * 1024


def test_every_fault_stands_in_its_lane() -> None:
    """The table lists all of them, and no other."""
    lanes = dict(enumerate(("database", "servers", "network", "clocks")))
    told = re.findall(r"^\| (\w+) \| ([\w -]+) \| ", DOCUMENT, re.MULTILINE)
    rows = {(lane, fault) for lane, fault in told if lane in lanes.values()}
    assert rows == {
        (lanes[number], fault.removeprefix("PostgreSQL ") if "out" in fault else str(fault))
        for number, lane in enumerate(LANES)
        for fault in lane.deck
    }
    assert len(rows) == len(Fault)


@pytest.mark.parametrize(
    "words",
    [
        f"{load.DEVICES} handsets of `device-sim run",
        f"`python -m chaos.crew`: {CREW_DEVICES} devices",
        f"lie on {small_disk.DISK_BYTES // MEGABYTE} MB",
        "{:,} to {:,} bytes/s".format(*schedule.SLOW_BYTES_PER_SECOND),
        f"off by {schedule.CLOCK_JUMPS_SECONDS[0]} seconds",
        f"({settling.MORE_RESIDENT_BYTES // MEGABYTE} MB more than at its start",
        f"descriptors ({settling.MORE_DESCRIPTORS})",
        f"delivers again after {world.BROKER_ACK_WAIT_SECONDS}.",
        "time out after {GATEWAY_DATABASE__COMMAND_TIMEOUT_SECONDS} seconds, tasks are sent again"
        " after {GATEWAY_TASKS__RETRY_SECONDS},".format(**world.GATEWAY_SETTINGS),
    ],
)
def test_its_figures_are_those_of_the_code(words: str) -> None:
    """Whoever changes one changes the other."""
    assert words in RUN


def test_times() -> None:
    """In words."""
    assert (schedule.LEAST_SECONDS, schedule.MOST_SECONDS, schedule.QUIET_SECONDS) == (1, 8, 8)
    assert "Each lasts one to eight seconds. The last eight seconds are quiet." in RUN


@pytest.mark.parametrize("head, names", [("idea", IDEAS), ("manner", MANNERS)])
def test_the_crew_does_what_is_told(head: str, names: Mapping[str, object]) -> None:
    """Every idea and every manner has its row, and no other."""
    table = section_of(DOCUMENT, "The fault run").partition(f"| {head} |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([\w, ]+) \| ", table, re.MULTILINE) == list(names)
    assert "one of twelve ideas with one of nine manners" in RUN
    assert (len(IDEAS), len(MANNERS)) == (12, 9)
    assert f"at most {BAD_ITEMS} bad things" in RUN
