"""`musisep separate`: recordings to stems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musisep_cli.cli.seconds import seconds
from musisep_cli.cli.separate.likes import asked_for
from musisep_cli.methods.registry import presets

if TYPE_CHECKING:
    from musisep_cli.run.cluster.connection import Connection
    from musisep_cli.sound.audio_file import Subtype

# Headings of groups of options in the help.
_METHOD = "Method"
_RUN = "Where it runs"
_OUTPUT = "Output"
_MESSAGES = "Messages"
COUNTED = 0
"""Number of instruments that stands for as many as are counted."""


def _presets() -> str:
    """Return the presets in words, for the help."""
    described = [f"{name} ({preset.summary})" for name, preset in presets().items()]
    return f"{', '.join(described[:-1])} or {described[-1]}."


@dataclass(frozen=True)
class Numbers:
    """Numbers of instruments that -n gives, each once; ``COUNTED`` for "auto"."""

    numbers: tuple[int, ...]

    def __str__(self) -> str:
        """Return them as they are given."""
        return ",".join(map(str, self.numbers))


def _instruments(text: str) -> Numbers:
    """Return the numbers that -n gives.

    Raises:
        BadParameter: one is none, or too large; the message says what to give instead.
    """
    if text == "auto":
        return Numbers((COUNTED,))
    return Numbers(tuple(dict.fromkeys(_number(each.strip()) for each in text.split(","))))


def _number(text: str) -> int:
    """Return a number of instruments.

    Raises:
        BadParameter: it is none, or too large; the message says what to give instead.
    """
    from musisep_cli.run.settings.config import largest

    most = largest("instruments")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
    if not 1 <= number <= most:
        raise typer.BadParameter(
            f"'{text}' is no number of instruments: -n says how many the recording has, 1 to"
            f" {most}, for example -n 2, several to compare, as -n 1,2,3, or auto."
        )
    return number


def _voices(text: str) -> tuple[int, ...]:
    """Return the numbers of tones at once that --voices gives, one of each instrument.

    Raises:
        BadParameter: one of them is no number above 0.
    """
    numbers = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and int(part[:9]) > 0 for part in numbers):
        raise typer.BadParameter(
            f"'{text}' is no list of numbers: --voices says how many tones each instrument plays"
            " at once, for example 1,4 for a flute and a guitar."
        )
    return tuple(map(int, numbers))


def separate(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS",
            help="Sound files (wav, flac, ogg, mp3, aiff), folders with all below them, patterns.",
        ),
    ],
    instruments: Annotated[
        Numbers | None,
        typer.Option(
            "--instruments",
            "-n",
            metavar="N",
            parser=_instruments,
            help="Number of melodic instruments in the recording; there is a stem for each. Needed"
            " here or in --config; parts of --pitch are counted. auto, and --like without -n, count"
            " up to 3 lines, in every recording; 1,2,3 separates once for each, to compare them.",
        ),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            "--like",
            metavar="NAME=SOLO",
            help="Get this instrument and a rest: violin=solo.wav (it plays alone there, another"
            " piece or passage), violin=@0:12-0:20 (it plays alone there in the recording), or the"
            " identity that a run left beside a stem. Several times: several stems, one rest. With"
            " -n, the others get stems too.",
        ),
    ] = None,
    instrument: Annotated[
        list[str] | None,
        typer.Option(
            "--instrument",
            metavar="NAME",
            help="The same by a name alone, as musisep inspect instruments lists them.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Independent runs, of which the one with the lowest objective is chosen; worth it"
            " where a network is trained on the recording.",
            show_default="1",
        ),
    ] = None,
    start: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=seconds,
            help="Where to start in the recording, in seconds or as 1:30.",
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(metavar="TIME", parser=seconds, help="How much of it to separate."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=_presets(),
            show_default="by the number of instruments",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Settings on top of the preset: a TOML file, or the manifest.json of a run, to"
            " make it again. Flags win over it.",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    pitch: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="The notes, where they are known: MIDI, a notes.csv, the pitch.csv of a run, or"
            " CSV files of pitch tracks (then once for each). Stems take the parts' names.",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    voices: Annotated[
        str | None,
        typer.Option(
            metavar="1,4",
            help="How many tones each instrument plays at once, where one plays chords; -n may be"
            " left out. Which one it is, is found out.",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    melody: Annotated[
        bool,
        typer.Option(
            "--melody",
            help="Only the leading line as a stem, over chords or drums, and all else in the"
            " residual; instead of -n.",
            rich_help_panel=_METHOD,
        ),
    ] = False,
    iterations: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Steps of training on the recording, for presets that train; standard trains if"
            " they are asked for, or on a GPU, and stops when more would not help.",
            show_default="by preset",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Frames per training step.",
            show_default="by preset",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    sampling: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="How training explores: independent (each explanation by itself, as in the paper)"
            " or tree (those with the same first tone share its network pass, less than half the"
            " work).",
            show_default="by preset",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    harmonics: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Harmonics of a tone.",
            show_default="by preset",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    init_dictionary: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Start from this dictionary.json, for example one of isolated tracks.",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    freeze_dictionary: Annotated[
        bool,
        typer.Option(
            "--freeze-dictionary",
            metavar="",
            help="Keep the dictionary as it is, do not learn it.",
            rich_help_panel=_METHOD,
        ),
    ] = False,
    no_decode: Annotated[
        bool,
        typer.Option(
            "--no-decode",
            metavar="",
            help="Take the most probable tones of every frame by itself, with no regard to the"
            " frames before and after.",
            rich_help_panel=_METHOD,
        ),
    ] = False,
    first_seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="FIRST",
            help="The first seed; the others follow it.",
            show_default="0",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            "-d",
            metavar="DEVICE",
            help="auto (a GPU if there is one), cpu, cuda (of several GPUs, seeds take turns on "
            "all), or cuda:0, cuda:1, ...",
            show_default="auto",
            rich_help_panel=_RUN,
        ),
    ] = None,
    gpu: Annotated[
        bool,
        typer.Option(
            "--gpu",
            metavar="",
            help="The same as -d cuda: fail if there is no GPU.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    cpu: Annotated[
        bool,
        typer.Option("--cpu", metavar="", help="The same as -d cpu.", rich_help_panel=_RUN),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=1,
            help="Seeds made at once, each in a process of its own.",
            show_default="1; with --cluster as many as there is room for",
            rich_help_panel=_RUN,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Spread recordings and seeds over a Ray cluster: HOST:PORT, auto (the one that"
            " runs here) or local (this machine alone).",
            rich_help_panel=_RUN,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="CPU threads of one seed; the last bits of a training depend on it.",
            show_default="2",
            rich_help_panel=_RUN,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Output folder.", rich_help_panel=_OUTPUT),
    ] = Path("separated"),
    filename: Annotated[
        str,
        typer.Option(
            metavar="TEMPLATE", help="Name of a stem below DIR/musisep.", rich_help_panel=_OUTPUT
        ),
    ] = "{track}/{stem}.{ext}",
    float32: Annotated[
        bool,
        typer.Option(
            "--float32",
            metavar="",
            help="Stems in 32-bit float (the default).",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    int24: Annotated[
        bool,
        typer.Option(
            "--int24", metavar="", help="Stems in 24-bit integers.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    int16: Annotated[
        bool,
        typer.Option(
            "--int16", metavar="", help="Stems in 16-bit integers.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    flac: Annotated[
        bool,
        typer.Option(
            "--flac",
            metavar="",
            help="FLAC instead of WAV, with --int24 unless --int16.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    without: Annotated[
        bool,
        typer.Option(
            "--without",
            metavar="",
            help="Also write the recording without each instrument, to play along with.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    name_stems: Annotated[
        bool,
        typer.Option(
            "--name-stems",
            metavar="",
            help="Name stems after the instruments that they are surely nearest to.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    no_page: Annotated[
        bool,
        typer.Option(
            "--no-page",
            metavar="",
            help="Write no listen.html, the page to hear the stems with.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            metavar="",
            help="Separate again, and replace what an earlier run wrote.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            metavar="",
            help="Go on from where an interrupted run stopped, with the same result as without the"
            " interruption. Without it only finished seeds are kept.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            metavar="",
            help="Show what would be done, and write nothing.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            metavar="",
            help="Only results and errors.",
            rich_help_panel=_MESSAGES,
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            metavar="",
            help="All settings, and more lines of progress.",
            rich_help_panel=_MESSAGES,
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            metavar="",
            help="Results as JSON, a line for every recording.",
            rich_help_panel=_MESSAGES,
        ),
    ] = False,
) -> None:
    """Separate recordings into a stem for every instrument and a residual.

    It needs nothing but the recording: minutes on a laptop, hours from scratch. Stems and residual
    add up to the recording, and have its sample rate, length and channels.

    Results go to stdout, progress and messages to stderr. Exit codes: 0 all done, 1 something
    failed, 2 wrong usage, 130 interrupted.
    """
    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose contradict each other.")
    if overwrite and resume:
        raise typer.BadParameter("--overwrite and --resume contradict each other.")
    subtype = _subtype(float32=float32, int24=int24, int16=int16, flac=flac)
    device_name = _device(device, gpu=gpu, cpu=cpu)
    numbers = instruments.numbers if instruments else (None,)
    likes = asked_for(like or [], instrument or [], others=instruments is not None)
    run_flags: dict[str, Any] = {
        "seeds": seeds,
        "first_seed": first_seed,
        "threads": threads,
    }
    method_flags: dict[str, Any] = {
        "--voices": _voices(voices) if voices is not None else None,
        "--melody": melody or None,
        "--like": likes,
        "--pitch": [str(path.absolute()) for path in pitch] if pitch else None,
        "--iterations": iterations,
        "--batch-size": batch_size,
        "--sampling": sampling,
        "--harmonics": harmonics,
        "--init-dictionary": str(init_dictionary.absolute()) if init_dictionary else None,
        "--freeze-dictionary": freeze_dictionary or None,
        "--no-decode": no_decode or None,
    }
    # Imported here, so that the help does not wait for PyTorch.
    from musisep_cli.cli.separate import by_number, place
    from musisep_cli.cli.separate.configure import configure, counting, tells_number
    from musisep_cli.cli.separate.job import Job
    from musisep_cli.cli.separate.report import Reporter
    from musisep_cli.errors import ConfigError, MusisepError
    from musisep_cli.run.folder.layout import SoundFormat

    reporter = Reporter(quiet=quiet, verbose=verbose, as_json=as_json)

    def job_of(number: int | None, connection: Connection | None) -> Job:
        """Return what is asked for, for so many instruments."""
        least = max(1, len(likes["names"] if likes else []))
        of_run = {**run_flags, "instruments": least if is_counted else number}
        given = partial(configure, of_run, method_flags, preset=preset, file=config)
        where, (settings, cautions) = place.settle(connection, device_name, given)
        counts = partial(counting, of_run, method_flags, preset=preset, file=config)
        return Job(
            inputs=inputs,
            config=settings,
            counted=counts(device=where.device) if is_counted else None,
            warnings=cautions,
            device=where.device,
            where=where.words,
            jobs=jobs,
            out=out,
            template=filename,
            sound=SoundFormat(subtype=subtype, extension="flac" if flac else "wav"),
            without=without,
            start_s=start,
            duration_s=duration,
            overwrite=overwrite,
            resume=resume,
            dry_run=dry_run,
            named=name_stems,
            page=not no_page,
            by_number=len(numbers) > 1,
        )

    try:
        is_told = instruments is not None or likes is None or tells_number(config)
        is_counted = numbers == (COUNTED,) or not is_told
        if is_counted and cluster is not None:
            raise ConfigError(
                "instruments are counted on this machine alone: with --cluster say how many, as"
                " -n 2"
            )
        with place.cluster(cluster, threads, dry_run=dry_run) as connection:
            each = [job_of(number, connection) for number in numbers]
            exit_code = by_number.run_each(each, reporter, connection)
    except MusisepError as error:
        reporter.error(str(error))
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from error
    raise typer.Exit(exit_code)


def _subtype(*, float32: bool, int24: bool, int16: bool, flac: bool) -> Subtype:
    """Return the number format of stems that the flags ask for.

    Raises:
        BadParameter: the flags contradict each other.
    """
    if float32 + int24 + int16 > 1:
        raise typer.BadParameter("choose one of --float32, --int24 and --int16.")
    if flac and float32:
        raise typer.BadParameter("FLAC holds integers only: --flac goes with --int24 or --int16.")
    if int16:
        return "int16"
    return "int24" if int24 or flac else "float32"


def _device(device: str | None, *, gpu: bool, cpu: bool) -> str:
    """Return the name of the device that the flags ask for; "auto" without any.

    Raises:
        BadParameter: the flags contradict each other.
    """
    asked = [] if device is None else [device]
    asked += ["cuda"] * gpu + ["cpu"] * cpu
    if len({name.partition(":")[0] for name in asked}) > 1:
        raise typer.BadParameter("--device, --gpu and --cpu contradict each other: choose one.")
    return asked[0] if asked else "auto"
