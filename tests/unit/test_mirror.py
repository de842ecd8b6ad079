"""Tests mirror the folders: every module has its test file."""

from pathlib import Path

ELSEWHERE = {
    # Programs with flags and files around them: tests/cli runs each as a user does.
    "cli/choose/command.py": "cli/test_choose.py",
    "cli/evaluate/command.py": "cli/test_evaluate.py",
    "cli/inspect/command.py": "cli/test_inspect.py",
    "cli/inspect/files.py": "cli/test_inspect.py",
    "cli/inspect/job.py": "cli/test_inspect.py",
    "cli/inspect/report.py": "cli/test_inspect.py",
    "cli/inspect/run.py": "cli/test_inspect.py",
    "cli/inspect/tables.py": "cli/test_inspect.py",
    "cli/separate/command.py": "cli/test_separate.py",
    "cli/separate/options.py": "cli/test_separate.py",
    "cli/separate/report.py": "cli/test_separate_progress.py",
    "cli/separate/run.py": "cli/test_separate.py",
    "cli/separate/units.py": "unit/cli/separate/test_on_cluster.py",
    # Whole separations of seconds of sound, which take longer than a unit's test may.
    "methods/lasso/separate.py": "cli/test_lasso.py",
    "methods/played_notes.py": "cli/test_separate_pitch.py",
    "methods/proposed_sets.py": "cli/test_structures.py",
    "methods/pursuit/decoded.py": "cli/test_separate_pursuit.py",
    "methods/pursuit/separate.py": "cli/test_separate_pursuit.py",
    # They only join parts that have their own tests.
    "players/decided.py": "unit/players/test_held_notes.py",
    "stems/of_tones.py": "unit/run/test_one_seed.py",
}
"""Module -> the file under ``tests`` that tests it instead."""


def modules(package: Path) -> set[str]:
    files = (path for path in package.rglob("*.py") if not path.name.startswith("__"))
    return {path.relative_to(package).as_posix() for path in files}


def test_every_module_has_its_test_file(repository: Path) -> None:
    units = repository / "tests" / "unit"
    found = modules(repository / "musisep_cli")
    own = {m for m in found if (units / m).with_name(f"test_{Path(m).name}").is_file()}
    assert len(found) > 100
    assert found - own == ELSEWHERE.keys()


def test_what_is_tested_elsewhere_is(repository: Path) -> None:
    missing = {file for file in ELSEWHERE.values() if not (repository / "tests" / file).is_file()}
    assert not missing
