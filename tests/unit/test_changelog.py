import re
from pathlib import Path

import musisep_cli


def test_the_top_version_is_the_programs(repository: Path) -> None:
    text = (repository / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## \[(.+?)\]", text, re.M)
    assert headings[0] == "Unreleased"
    assert headings[1] == musisep_cli.__version__


def test_every_version_has_its_date(repository: Path) -> None:
    text = (repository / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## (?!\[Unreleased\]).*$", text, re.M)
    assert versions
    for line in versions:
        assert re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", line)
