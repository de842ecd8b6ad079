import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import musisep_cli
from musisep_cli.cli.app import app

HELP_S = 0.5  # seconds; what a person takes for at once


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout == f"musisep {musisep_cli.__version__}\n"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_all_commands(flag: str) -> None:
    for command in ([], ["separate"], ["evaluate"]):
        result = CliRunner().invoke(app, [*command, flag])
        assert result.exit_code == 0
        assert "Usage" in result.stdout


@pytest.mark.parametrize(
    ("typed", "completed"), [("musisep eval", "evaluate"), ("musisep separate --pre", "--preset")]
)
def test_the_shell_completes_commands_and_options(typed: str, completed: str) -> None:
    asked = {
        "_MUSISEP_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
    }
    result = CliRunner().invoke(app, [], prog_name="musisep", env=asked)
    assert result.stdout.split() == [completed]


def test_the_completion_is_shown_for_a_shell() -> None:
    result = CliRunner().invoke(app, ["--show-completion", "bash"], prog_name="musisep")
    assert result.exit_code == 0
    assert "_MUSISEP_COMPLETE=complete_bash" in result.stdout


def test_type_checkers_find_the_types() -> None:
    assert (Path(musisep_cli.__file__).parent / "py.typed").is_file()


def test_an_unknown_command_is_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["seperate"]).exit_code == 2


def test_the_help_comes_at_once(repository: Path) -> None:
    command = [sys.executable, "-m", "musisep_cli", "separate", "--help"]
    taken_s = []
    for _ in range(3):  # the fastest of them: the machine may be busy
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=repository, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Processor time: waiting for other tests does not count.
        taken_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken_s) < HELP_S


def test_the_help_imports_nothing_heavy(repository: Path) -> None:
    code = (
        "import sys, musisep_cli, musisep_cli.cli.app\n"
        "print([name for name in ('torch', 'numpy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


def test_the_public_names() -> None:
    assert musisep_cli.__all__ == ["Separation", "__version__", "separate"]
    for name in musisep_cli.__all__:
        assert getattr(musisep_cli, name)
    with pytest.raises(AttributeError, match="no attribute 'seperate'"):
        musisep_cli.seperate  # noqa: B018


def test_the_python_function_separates_arrays() -> None:
    time_s = np.arange(8000) / 16_000
    stereo = np.stack([np.sin(2 * np.pi * 440 * time_s), np.cos(2 * np.pi * 660 * time_s)], 1)
    settings = {
        "network": {"base_channels": 4},
        "training": {"iterations": 2, "batch_size": 2},
        "run": {"threads": 1},
    }
    reported = []
    separation = musisep_cli.separate(
        0.3 * stereo,
        16_000,
        2,
        preset="quick",
        settings=settings,
        device="cpu",
        on_progress=reported.append,
    )
    assert separation.stems.shape == (2, 8000, 2)
    assert separation.stems.dtype == np.float32
    np.testing.assert_allclose(
        separation.stems.sum(0) + separation.residual, 0.3 * stereo, rtol=0, atol=1e-6
    )
    assert [p.done for p in reported if p.stage == "training"] == [1, 2]
