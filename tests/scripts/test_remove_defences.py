"""The list of defences is true, and a test that does not notice a removed one is told."""

import ast
from pathlib import Path

import pytest

from scripts.remove_defences import (
    ROOT,
    Defence,
    NoVerdictError,
    copy_tree,
    is_noticed,
    load_defences,
    passes,
    table,
)

LISTED = load_defences()

PROOF = Defence(
    attack="an attack",
    stopped_by="a proof",
    file="gateway/protocol/proof.py",
    old="return hmac.compare_digest(_hash(device_key), keys.stored_key)",
    new="return True",
    test="tests/gateway/protocol/test_proof.py::test_another_secret_fails",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree."""
    return copy_tree(tmp_path_factory.mktemp("defences") / "tree")


@pytest.mark.parametrize("defence", LISTED, ids=[one.attack for one in LISTED])
def test_each_defence_stands_where_the_list_says(defence: Defence) -> None:
    """Once, and it is not what would be there without it; and its test is there."""
    assert (ROOT / defence.file).read_text(encoding="utf-8").count(defence.old) == 1
    assert defence.new != defence.old
    path, _, name = defence.test.partition("::")
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = [node.name for node in ast.walk(module) if hasattr(node, "name")]
    assert name in functions


def test_no_attack_is_listed_twice() -> None:
    """Each row of the document is another attack."""
    assert len({one.attack for one in LISTED}) == len(LISTED)


def test_a_removed_defence_is_noticed(tree: Path) -> None:
    """The test fails in a copy without the defence, and the copy is whole again afterwards."""
    file = tree / PROOF.file
    before = file.read_text(encoding="utf-8")
    assert passes([PROOF.test], tree)
    assert is_noticed(PROOF, tree)
    assert file.read_text(encoding="utf-8") == before


def test_a_test_that_notices_nothing(tree: Path) -> None:
    """A test that has nothing to do with the defence passes without it."""
    other = "tests/gateway/protocol/test_proof.py::test_transcript_has_fixed_places"
    assert not is_noticed(_with(test=other), tree)


def test_a_test_that_is_not_there(tree: Path) -> None:
    """It is no verdict, least of all that the defence is needed."""
    with pytest.raises(NoVerdictError):
        is_noticed(_with(test="tests/gateway/protocol/test_proof.py::test_nothing"), tree)


@pytest.mark.parametrize("old", ["there is no such line", "import"])
def test_a_list_that_is_out_of_date(tree: Path, old: str) -> None:
    """A defence that is not found, or found more than once, is not removed by guess."""
    with pytest.raises(ValueError, match=r"gateway/protocol/proof\.py: found \d+ times"):
        _with(old=old).remove_from(tree)


def test_the_table() -> None:
    """A row for each, with a link to its test."""
    assert table([PROOF]).splitlines()[2:] == [
        (
            "| an attack | a proof | `gateway/protocol/proof.py` | `test_another_secret_fails` in"
            " [tests/gateway/protocol/test_proof.py](../tests/gateway/protocol/test_proof.py) |"
        )
    ]


def _with(test: str = PROOF.test, old: str = PROOF.old) -> Defence:
    return Defence(PROOF.attack, PROOF.stopped_by, PROOF.file, old, PROOF.new, test)
