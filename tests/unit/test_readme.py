"""The README's claims of reliability name tests that exist."""

import ast
import re
from pathlib import Path


def test_every_row_of_the_reliability_table_names_a_test(repository: Path) -> None:
    text = (repository / "README.md").read_text("utf-8")
    section = text.partition("## Reliability")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 20
    for row in rows:
        [(file, name)] = re.findall(r"`(tests/[\w/]+\.py)::(\w+)` \|$", row)
        tree = ast.parse((repository / file).read_text("utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, row
