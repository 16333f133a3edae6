"""`docs/architecture.md` names every source file and no other, and tells the order of the code."""

import re
from pathlib import Path

import pytest

from gateway import app
from gateway.protocol.limits import IDLE_TIMEOUT_SECONDS, MAX_BAD_FRAMES, REPLY_TIMEOUT_SECONDS
from gateway.protocol.state import State
from tests.helpers.markdown import section_of

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = ("gateway", "gateway/protocol", "gateway/handlers", "gateway/cost", "device_sim")
EMPTY = {
    "gateway/__init__.py",
    "gateway/protocol/__init__.py",
    "gateway/cost/__init__.py",
    "device_sim/__init__.py",
}
"""Files that hold a docstring only."""


@pytest.mark.parametrize("package", PACKAGES)
def test_the_tour_names_each_file_once(package: str) -> None:
    """What is in the folder, and nothing that is not."""
    named = re.findall(r"`(\w+\.py)`", section_of(DOCUMENT, f"`{package}/`"))
    present = {
        path.name for path in (ROOT / package).glob("*.py") if f"{package}/{path.name}" not in EMPTY
    }
    assert sorted(named) == sorted(present)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+/(?:[\w.]+)?)`", DOCUMENT))))
def test_named_paths_exist(path: str) -> None:
    """Whatever is named with its folder is there; `sql/` and `data/` are the gateway's."""
    assert (ROOT / path).exists() or (ROOT / "gateway" / path).exists()


@pytest.mark.parametrize(
    "link",
    re.findall(r"\]\(([^)#]+)", DOCUMENT),
)
def test_links_lead_somewhere(link: str) -> None:
    """No link to a file that is not there."""
    assert (ROOT / "docs" / link).exists()


@pytest.mark.parametrize("word", ["Start", "Stop"])
def test_the_order_of_start_and_stop_is_that_of_the_code(word: str) -> None:
    """The module that does it says it in the same words."""
    written = re.search(rf"^{word}: (.+)$", DOCUMENT, re.MULTILINE)
    told = re.search(rf"^{word}: (.+)\.$", app.__doc__ or "", re.MULTILINE)
    assert written
    assert told
    assert written[1] == told[1]


def test_states_are_those_of_the_code() -> None:
    """The states that a session of the gateway goes through exist, in this order."""
    written = re.search(r"`(START -> [A-Z_ >-]+)`", DOCUMENT)
    assert written
    path = (State.START, State.AWAIT_HELLO, State.ADMITTING, State.READY, State.CLOSED)
    assert written[1].split(" -> ") == [state.name for state in path]


def test_figures_are_those_of_the_protocol() -> None:
    """Time-outs and limits that the text repeats."""
    failures = section_of(DOCUMENT, "When something fails")
    assert f"after {REPLY_TIMEOUT_SECONDS} s without an answer" in failures
    assert f"after {IDLE_TIMEOUT_SECONDS} s of silence" in failures
    assert f"the {MAX_BAD_FRAMES + 1}th in a session" in failures
