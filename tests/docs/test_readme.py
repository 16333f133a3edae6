"""Both READMEs say the same, show the same sample, and lead nowhere that does not exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md"))
)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
SAMPLE = re.compile(r"<!-- sample:begin -->\n(.*?)<!-- sample:end -->", re.DOTALL)


def text(name: str) -> str:
    """The text of a document."""
    return (ROOT / name).read_text(encoding="utf-8")


def skeleton(name: str) -> list[str]:
    """What must be alike in both languages: headings by rank, blocks of code, targets of links."""
    document = text(name).replace(ENGLISH, "other").replace(CHINESE, "other")
    code = re.findall(r"^```.*?^```", document, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", document, flags=re.MULTILINE | re.DOTALL)
    ranks = [f"heading {len(marks)}" for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)]
    return [*ranks, *code, *(target for target, _ in LINK.findall(prose))]


def anchors(document: str) -> set[str]:
    """The anchors that a reader of Markdown makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_both_languages_have_the_same_structure() -> None:
    """Headings, code and links follow each other alike."""
    assert skeleton(ENGLISH) == skeleton(CHINESE)


def test_both_languages_show_the_same_figures() -> None:
    """Every number of the table of costs is in both."""
    figures = [
        re.findall(r"\d+\.\d", text(name).partition("\n|---|")[2]) for name in (ENGLISH, CHINESE)
    ]
    assert figures[0] == figures[1]


def test_the_sample_is_there() -> None:
    """A block of real output stands between the marks."""
    sample = SAMPLE.search(text(ENGLISH))
    assert sample
    assert sample[1].startswith("```")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    """Every file and anchor that a document links to exists."""
    broken = []
    for target, anchor in LINK.findall(text(name)):
        file = (ROOT / name).parent / target if target else ROOT / name
        exists = file.exists()
        if exists and anchor and file.suffix == ".md":
            exists = anchor in anchors(file.read_text(encoding="utf-8"))
        if not exists:
            broken.append(f"{target}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("name", [ENGLISH, CHINESE, "CONTRIBUTING.md"])
def test_named_targets_of_make_exist(name: str) -> None:
    """Nobody is told to run what the Makefile does not know."""
    targets = set(re.findall(r"^(\w+):.*## ", text("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make (\w+)", text(name), re.MULTILINE)) <= targets
