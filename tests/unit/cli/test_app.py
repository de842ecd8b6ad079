"""The console script: its commands and its version."""

from typer.testing import CliRunner

from musisep_cli import __version__
from musisep_cli.cli.app import app


def test_the_version_is_the_package_s() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.strip() == f"musisep {__version__}"


def test_all_commands_are_there() -> None:
    shown = CliRunner().invoke(app, ["-h"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0
    assert all(command in shown.output for command in ("separate", "evaluate", "inspect"))
