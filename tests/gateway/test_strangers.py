"""Who gets a place at the door, and who loses it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strangers import Stranger, Strangers, neighbourhood

ATTACKER, HONEST, NEIGHBOUR = "192.0.2.1", "198.51.100.7", "198.51.100.8"


class Door:
    """Strangers by name, and who was cut."""

    def __init__(self, places: int) -> None:
        self.strangers = Strangers(places)
        self.cut: list[str] = []

    def enter(self, name: str, address: str) -> Stranger:
        """Somebody comes."""
        return self.strangers.enter(address, lambda: self.cut.append(name))


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_nobody_is_cut_while_there_is_a_place(taken: int) -> None:
    """The last place is given away without harm to anybody."""
    door = Door(3)
    for number in range(taken + 1):
        door.enter(str(number), ATTACKER)
    assert not door.cut
    assert len(door.strangers) == taken + 1


def test_who_comes_in_numbers_throws_out_his_own() -> None:
    """The honest handset that came before the flood is still there after it."""
    door = Door(10)
    door.enter("honest", HONEST)
    for number in range(1_000):
        door.enter(f"attack {number}", ATTACKER)
    assert "honest" not in door.cut
    assert door.cut[:2] == ["attack 0", "attack 1"]
    assert len(door.strangers) == 10


def test_an_honest_newcomer_finds_a_place_in_a_flood() -> None:
    """It costs the attacker his longest waiting connection."""
    door = Door(10)
    for number in range(10):
        door.enter(f"attack {number}", ATTACKER)
    door.enter("honest", HONEST)
    door.enter("neighbour", NEIGHBOUR)
    assert door.cut == ["attack 0", "attack 1"]


def test_behind_the_attackers_address() -> None:
    """A handset there keeps its place until as many others have come from there as have places."""
    door = Door(10)
    for number in range(10):
        door.enter(f"attack {number}", ATTACKER)
    door.enter("honest", ATTACKER)
    for number in range(9):
        door.enter(f"more {number}", ATTACKER)
    assert "honest" not in door.cut
    door.enter("the last straw", ATTACKER)
    assert door.cut[-1] == "honest"


def test_a_held_refusal_goes_first() -> None:
    """Also when others are longer there and their address has more."""
    door = Door(3)
    door.enter("first", ATTACKER)
    door.enter("second", ATTACKER)
    held = door.enter("held", HONEST)
    held.hold()
    held.hold()
    assert (door.strangers.held, len(door.strangers)) == (1, 3)
    door.enter("newcomer", ATTACKER)
    assert door.cut == ["held"]
    assert door.strangers.held == 0


def test_to_leave_twice_is_to_leave_once() -> None:
    """Nor does it matter after a cut, or while a refusal is held."""
    door = Door(2)
    first, second = door.enter("first", ATTACKER), door.enter("second", HONEST)
    first.leave()
    first.leave()
    first.hold()
    assert (len(door.strangers), door.strangers.held) == (1, 0)
    second.hold()
    second.leave()
    assert len(door.strangers) == 0
    assert not door.cut


def test_a_cut_may_leave() -> None:
    """As a connection does when it ends at once."""
    strangers = Strangers(1)
    inside: list[Stranger] = []

    def end_at_once() -> None:
        inside[0].leave()

    first = strangers.enter(ATTACKER, end_at_once)
    inside.append(first)
    second = strangers.enter(ATTACKER, lambda: None)
    assert len(strangers) == 1
    first.leave()
    assert len(strangers) == 1
    second.leave()
    assert len(strangers) == 0


def test_no_places() -> None:
    """A door through which nobody can come is a mistake."""
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Strangers(0)


@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=80))
def test_places_are_never_exceeded(places: int, steps: list[tuple[int, int]]) -> None:
    """Whatever comes and goes, each that went was cut or left, once; no newcomer is cut at once."""
    door = Door(places)
    inside: dict[str, Stranger] = {}
    for number, (what, where) in enumerate(steps):
        cut_before = len(door.cut)
        if what <= 3:
            inside[str(number)] = door.enter(str(number), f"192.0.2.{where}")
            for name in door.cut[cut_before:]:
                assert name != str(number)
                del inside[name]
        elif inside:
            name = sorted(inside)[where % len(inside)]
            if what == 4:
                inside[name].hold()
            else:
                inside.pop(name).leave()
        assert len(door.strangers) == len(inside) <= places
    assert len(set(door.cut)) == len(door.cut)


@pytest.mark.parametrize(
    "address,belongs_to",
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::4", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_whom_an_address_belongs_to(address: str, belongs_to: str) -> None:
    """An attacker has 2**64 addresses for nothing with IPv6, and all of them are his."""
    assert neighbourhood(address) == belongs_to
