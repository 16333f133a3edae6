"""The files of `deploy/grafana/dashboards/` are what the definitions make."""

from scripts.make_dashboards import FOLDER, render


def test_the_files_agree() -> None:
    """Run `python -m scripts.make_dashboards` when this fails; delete what has no definition."""
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert there == render()
