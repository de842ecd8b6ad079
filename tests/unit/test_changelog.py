import re
from pathlib import Path

import musisep_cli


def test_the_top_version_is_the_programs_or_what_it_develops_from(repository: Path) -> None:
    text = (repository / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## \[(.+?)\]", text, re.M)
    assert headings[0] == "Unreleased"
    version, dot, _ = musisep_cli.__version__.partition(".dev")
    released, ours = (tuple(map(int, name.split("."))) for name in (headings[1], version))
    assert released < ours if dot else released == ours


def test_every_version_has_its_date(repository: Path) -> None:
    text = (repository / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## (?!\[Unreleased\]).*$", text, re.M)
    assert versions
    for line in versions:
        assert re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", line)
