"""The options of `musisep separate`: their names, their help, and how their words are read.

One alias for each, in the order of the help and named as the command's argument. The presets alone
are asked for when the help is shown.
"""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from musisep_cli.cli.seconds import seconds
from musisep_cli.cli.separate.values import Numbers, numbers_of
from musisep_cli.methods.registry import presets

# Headings of groups of options in the help.
METHOD = "Method"
_RUN = "Where it runs"
_OUTPUT = "Output"
_MESSAGES = "Messages"


def presets_in_words() -> str:
    """Return the presets in words, for the help; the command asks when the help is shown."""
    described = [f"{name} ({preset.summary})" for name, preset in presets().items()]
    return f"{', '.join(described[:-1])} or {described[-1]}."


Inputs: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUTS",
        help="Sound files (wav, flac, ogg, mp3, aiff), folders with all below them, patterns.",
    ),
]
Instruments: TypeAlias = Annotated[
    Numbers | None,
    typer.Option(
        "--instruments",
        "-n",
        metavar="N",
        parser=numbers_of,
        help="Number of melodic instruments in the recording; there is a stem for each. Needed"
        " here or in --config; parts of --pitch are counted. auto, and --like without -n, count"
        " up to 3 lines, in every recording; 1,2,3 separates once for each, to compare them.",
    ),
]
Like: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--like",
        metavar="NAME=SOLO",
        help="Get this instrument and a rest: violin=solo.wav (it plays alone there, another"
        " piece or passage), violin=@0:12-0:20 (it plays alone there in the recording), or the"
        " identity that a run left beside a stem. Several times: several stems, one rest. With"
        " -n, the others get stems too.",
    ),
]
Instrument: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--instrument",
        metavar="NAME",
        help="The same by a name alone, as musisep inspect instruments lists them.",
    ),
]
Seeds: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Independent runs, of which the one with the lowest objective is chosen; worth it"
        " where a network is trained on the recording.",
        show_default="1",
    ),
]
Start: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="TIME",
        parser=seconds,
        help="Where to start in the recording, in seconds or as 1:30.",
    ),
]
Duration: TypeAlias = Annotated[
    float | None,
    typer.Option(metavar="TIME", parser=seconds, help="How much of it to separate."),
]
Config: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Settings on top of the preset: a TOML file, or the manifest.json of a run, to"
        " make it again. Flags win over it.",
        rich_help_panel=METHOD,
    ),
]
Pitch: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="The notes, where they are known: MIDI, a notes.csv, the pitch.csv of a run, or"
        " CSV files of pitch tracks (then once for each). Stems take the parts' names.",
        rich_help_panel=METHOD,
    ),
]
Voices: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="1,4",
        help="How many tones each instrument plays at once, where one plays chords; -n may be"
        " left out. Which one it is, is found out.",
        rich_help_panel=METHOD,
    ),
]
Melody: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--melody",
        help="Only the leading line as a stem, over chords or drums, and all else in the"
        " residual; instead of -n.",
        rich_help_panel=METHOD,
    ),
]
Iterations: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Steps of training on the recording, for presets that train; standard trains if"
        " they are asked for, or on a GPU, and stops when more would not help.",
        show_default="by preset",
        rich_help_panel=METHOD,
    ),
]
BatchSize: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Frames per training step.",
        show_default="by preset",
        rich_help_panel=METHOD,
    ),
]
Sampling: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How training explores: independent (each explanation by itself, as in the paper)"
        " or tree (those with the same first tone share its network pass, less than half the"
        " work).",
        show_default="by preset",
        rich_help_panel=METHOD,
    ),
]
Harmonics: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Harmonics of a tone.",
        show_default="by preset",
        rich_help_panel=METHOD,
    ),
]
InitDictionary: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Start from this dictionary.json, for example one of isolated tracks.",
        rich_help_panel=METHOD,
    ),
]
FreezeDictionary: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--freeze-dictionary",
        metavar="",
        help="Keep the dictionary as it is, do not learn it.",
        rich_help_panel=METHOD,
    ),
]
NoDecode: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--no-decode",
        metavar="",
        help="Take the most probable tones of every frame by itself, with no regard to the"
        " frames before and after.",
        rich_help_panel=METHOD,
    ),
]
FirstSeed: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="FIRST",
        help="The first seed; the others follow it.",
        show_default="0",
        rich_help_panel=METHOD,
    ),
]
Device: TypeAlias = Annotated[
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
]
Gpu: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--gpu",
        metavar="",
        help="The same as -d cuda: fail if there is no GPU.",
        rich_help_panel=_RUN,
    ),
]
Cpu: TypeAlias = Annotated[
    bool,
    typer.Option("--cpu", metavar="", help="The same as -d cpu.", rich_help_panel=_RUN),
]
Jobs: TypeAlias = Annotated[
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
]
Cluster: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Spread recordings and seeds over a Ray cluster: HOST:PORT, auto (the one that"
        " runs here) or local (this machine alone).",
        rich_help_panel=_RUN,
    ),
]
Threads: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="CPU threads of one seed; the last bits of a training depend on it.",
        show_default="2",
        rich_help_panel=_RUN,
    ),
]
Out: TypeAlias = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="DIR", help="Output folder.", rich_help_panel=_OUTPUT),
]
Filename: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="TEMPLATE", help="Name of a stem below DIR/musisep.", rich_help_panel=_OUTPUT
    ),
]
Float32: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--float32",
        metavar="",
        help="Stems in 32-bit float (the default).",
        rich_help_panel=_OUTPUT,
    ),
]
Int24: TypeAlias = Annotated[
    bool,
    typer.Option("--int24", metavar="", help="Stems in 24-bit integers.", rich_help_panel=_OUTPUT),
]
Int16: TypeAlias = Annotated[
    bool,
    typer.Option("--int16", metavar="", help="Stems in 16-bit integers.", rich_help_panel=_OUTPUT),
]
Flac: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--flac",
        metavar="",
        help="FLAC instead of WAV, with --int24 unless --int16.",
        rich_help_panel=_OUTPUT,
    ),
]
Without: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--without",
        metavar="",
        help="Also write the recording without each instrument, to play along with.",
        rich_help_panel=_OUTPUT,
    ),
]
NameStems: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--name-stems",
        metavar="",
        help="Name stems after the instruments that they are surely nearest to.",
        rich_help_panel=_OUTPUT,
    ),
]
NoPage: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--no-page",
        metavar="",
        help="Write no listen.html, the page to hear the stems with.",
        rich_help_panel=_OUTPUT,
    ),
]
Overwrite: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        metavar="",
        help="Separate again, and replace what an earlier run wrote.",
        rich_help_panel=_OUTPUT,
    ),
]
Resume: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--resume",
        metavar="",
        help="Go on from where an interrupted run stopped, with the same result as without the"
        " interruption. Without it only finished seeds are kept.",
        rich_help_panel=_OUTPUT,
    ),
]
DryRun: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        metavar="",
        help="Show what would be done, and write nothing.",
        rich_help_panel=_OUTPUT,
    ),
]
Quiet: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        metavar="",
        help="Only results and errors.",
        rich_help_panel=_MESSAGES,
    ),
]
Verbose: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        metavar="",
        help="All settings, and more lines of progress.",
        rich_help_panel=_MESSAGES,
    ),
]
AsJson: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--json",
        metavar="",
        help="Results as JSON, a line for every recording.",
        rich_help_panel=_MESSAGES,
    ),
]
