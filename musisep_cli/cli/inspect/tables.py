"""Tables of `musisep inspect` for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from musisep_cli.cli.inspect.job import DictionaryReport, InstrumentsReport, Report, SoundReport
from musisep_cli.cli.progress import span
from musisep_cli.inspection.estimate import Estimate
from musisep_cli.inspection.findings import Findings, Instrument, most_alike, thinned
from musisep_cli.inspection.seed_agreement import DOUBTFUL
from musisep_cli.inspection.sound import Sound
from musisep_cli.methods.learned_dictionary import dictionary_table
from musisep_cli.methods.method import Table as LearnedTable
from musisep_cli.sound.notation import channels_in_words, clock
from musisep_cli.sound.pitch import note_name
from musisep_cli.tones.instruments import ALSO, names, of_name
from musisep_cli.tones.timbre import LOWEST_SEMITONE

_SHOWN_DOUBTS = 6
"""Number of stretches that a line names, so that it stays readable; the others are counted."""


def parts(report: Report) -> Iterator[str | RenderableType]:
    """Yield the lines and tables of a report in the order in which they are printed."""
    if isinstance(report, SoundReport):
        yield from _sound(report)
    elif isinstance(report, InstrumentsReport):
        yield _known()
    elif isinstance(report, Findings):
        yield from _findings(report)
    elif isinstance(report, DictionaryReport):
        yield from _dictionary(report)
    else:
        yield _pairs({name.replace("_", " "): _text(value) for name, value in report.items()})


def _text(value: Any) -> str:
    """Return a value of the report on the machine in words."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "unknown" if value is None else str(value)


def _sound(report: SoundReport) -> Iterator[str | RenderableType]:
    """Yield the parts of the report on a sound file."""
    sound = report.sound
    channels = channels_in_words(sound.n_channels)
    if sound.channels_are_equal:
        channels += ", all channels the same"
    yield Text(str(report.path), "bold")
    silence = sound.silence
    rows = {
        "format": report.container,
        "rate": f"{sound.sample_rate_hz} Hz",
        "length": f"{clock(sound.duration_s)} ({sound.duration_s:.2f} s, "
        f"{sound.n_samples} samples)",
        "channels": channels,
        "silence": f"{silence.share:.0%} ({silence.leading_s:.2f} s at the start, "
        f"{silence.trailing_s:.2f} s at the end)",
    }
    if report.character is not None:
        seen = report.character
        rows["tones at once"] = f"{seen.tones:.1f} on average, at times {seen.most_tones}"
        rows["steady partials"] = f"{seen.steady:.0%} of the energy; flatness {seen.flatness:.4f}"
        rows["no multiples"] = (
            f"{seen.inharmonic:.0%} of the energy is in partials of no fundamental"
        )
    if report.estimate is not None:
        rows |= _estimate(report.estimate)
    yield _pairs(rows)
    yield _levels(sound)
    yield from _warnings(report.warnings())


def _levels(sound: Sound) -> Table:
    """Return a table of the levels, a row per channel."""
    table = _table("Levels", "channel", "peak, dBFS", "RMS, dBFS", "DC offset", "clipped crests")
    for number, channel in enumerate(sound.channels, 1):
        levels = [_decibels(channel.peak_dbfs), _decibels(channel.rms_dbfs)]
        table.add_row(
            str(number), *levels, f"{channel.dc_offset:+z.4f}", str(channel.n_clipped or "none")
        )
    return table


def _estimate(estimate: Estimate) -> dict[str, str]:
    """Return rows that say how much time and memory a separation takes."""
    memory = []
    if estimate.memory_bytes is not None:
        memory.append(f"{estimate.memory_bytes / 1e9:.1f} GB")
    if estimate.gpu_memory_bytes is not None:
        memory.append(f"{estimate.gpu_memory_bytes / 1e9:.1f} GB on the GPU")
    about, frames = "at least", f"{estimate.n_frames} frames not timed, the machine is too slow"
    if estimate.frame_s is not None:
        about = "up to" if estimate.may_stop else "about"
        frames = f"{estimate.n_frames} frames of {1000 * estimate.frame_s:.1f} ms"
    steps = ""
    if estimate.n_iterations:
        steps = f"{estimate.n_iterations} steps of {1000 * estimate.step_s:.0f} ms, "
    return {
        f"separation, -n {estimate.n_instruments}": f"{about} {span(estimate.total_s)} per seed on "
        f"{estimate.device}, preset {estimate.preset}",
        "": f"measured just now: {steps}{frames}",
        "memory": "about " + " and ".join(memory) if memory else "unknown on this system",
    }


def _findings(findings: Findings) -> Iterator[str | RenderableType]:
    """Yield the parts of the report on a separation."""
    separation = findings.separation
    manifest = separation.manifest
    recording, method = manifest["input"], separation.method
    yield Text(str(separation.folder), "bold")
    curve = separation.curves.get(findings.choice.seed)
    n_done = int(curve[-1]["iteration"]) if curve else separation.n_steps
    training = method.training(separation.config.settings, n_done)
    duration_s = recording["n_samples"] / recording["sample_rate_hz"]
    yield _pairs(
        {
            "recording": f"{recording.get('path') or 'from memory'}, {clock(duration_s)}, "
            f"{recording['sample_rate_hz']} Hz, {recording['n_channels']} channel"
            f"{'' if recording['n_channels'] == 1 else 's'}",
            "method": f"musisep {manifest.get('version', '?')}, preset "
            f"{manifest['config']['preset']}, {training}, on {manifest['device']}, "
            f"{clock(manifest['wall_s'])}",
            "chosen": _choice(findings),
            **_likes(manifest),
            **_missed(findings),
            **_agreement(findings),
        }
    )
    yield _instruments(findings)
    yield _ranking(findings)
    if curve:
        yield _curve(findings.choice.seed, thinned(curve), method.terms)
    yield from map(_learned, separation.shown().tables)
    if findings.alike is not None:
        yield _alike(findings.alike)
    yield from _warnings(findings.warnings())


def _choice(findings: Findings) -> str:
    """Return in words which seed was chosen, and by how much it is better than the next."""
    choice = findings.choice
    if choice.runner_up is None:
        return f"seed {choice.seed}, the only one with a result"
    margin = ""
    if choice.margin is not None:
        side = "below" if choice.margin >= 0 else "above"
        margin = f", {abs(choice.margin):.1%} {side} seed {choice.runner_up}"
    return f"seed {choice.seed}, {choice.criterion} ({choice.objective:.5g}{margin})"


def _missed(findings: Findings) -> dict[str, str]:
    """Return in how much of the sound a tone was missed, if that could be found out."""
    if findings.missed is None:
        return {}
    share = findings.missed.share
    return {"missed": f"a tone that no instrument plays, in {share:.0%} of the time that sounds"}


def _agreement(findings: Findings) -> dict[str, str]:
    """Return how far the other seeds agree with the chosen one, and where they do not."""
    found, chosen = findings.agreement, findings.choice.seed
    share = None if found is None else found.share(chosen)
    if found is None or share is None:
        return {}
    doubts = [f"{clock(start_s)}-{clock(end_s)}" for start_s, end_s, _ in found.doubts(chosen)]
    n_more = len(doubts) - _SHOWN_DOUBTS
    where = f"; less than {DOUBTFUL:.0%} at {', '.join(doubts[:_SHOWN_DOUBTS])}" if doubts else ""
    where += f" and {n_more} more" if n_more > 0 else ""
    return {"agreement": f"the other seeds have {share:.0%} of its notes in the same hands{where}"}


def _likes(manifest: dict[str, Any]) -> dict[str, str]:
    """Return in words whether those are there who were asked for."""
    return {
        f"like {each['name']}": f"{'heard' if each['heard'] else 'not heard'}, presence "
        f"{each['presence']:.2f}, by {each['like']}; engine {each['engine']}: {each['why']}"
        for each in manifest.get("likes", [])
    }


def _instruments(findings: Findings) -> Table:
    """Return a table of levels and notes, a row per instrument and one for the residual."""
    headings = ("dBFS", "energy", "plays", "", "notes", "range", "in Hz", "median", "nearest to")
    table = _table("Instruments", "stem", *headings)
    for each in findings.instruments:
        share = f"{each.energy_share:.1%}"
        table.add_row(Text(each.name), _decibels(each.rms_dbfs), share, *_playing(each))
    residual = findings.separation.residual
    if residual is not None:
        level = _decibels(residual["rms_dbfs"])
        table.add_row(residual["name"], level, f"{residual['energy_share']:.1%}", style="dim")
    return table


def _playing(each: Instrument) -> Sequence[str]:
    """Return what an instrument plays as cells: time, share, notes, range, median pitch."""
    median = "" if each.median_hz is None else f"{each.median_hz:.0f}"
    low, high = each.lowest, each.highest
    pitches = ("", "")
    if low is not None and high is not None:
        pitches = (f"{low.name}-{high.name}", f"{low.f0_hz:.0f}-{high.f0_hz:.0f}")
    cells = (f"{each.on_s:.1f} s", f"{each.on_share:.0%}", str(len(each.notes)), *pitches, median)
    near = each.nearest
    return (*cells, "" if near is None else f"{near.name} ({near.confidence:.0%})")


def _known() -> Table:
    """Return a table of the instruments that can be asked for by name."""
    table = _table("Instruments that --instrument knows", "name", "pitches", "also")
    for name in names():
        also = ", ".join(word for word, meant in ALSO.items() if meant == name)
        table.add_row(name, _pitches(name), also)
    return table


def _pitches(name: str) -> str:
    """Return the range in which the portraits of an instrument were heard."""
    heard = sum(identity.heard_s for identity in of_name(name))
    rows = np.flatnonzero(heard) + LOWEST_SEMITONE
    return f"{note_name(int(rows[0]))}-{note_name(int(rows[-1]))}"


def _ranking(findings: Findings) -> Table:
    """Return a table of all seeds, the best first."""
    manifest = findings.separation.manifest
    trained = findings.separation.n_steps > 0
    of_training = ("training, from", "to", "steps skipped") if trained else ()
    table = _table("Seeds", "seed", "objective", *of_training, "time", "")
    for row in manifest["ranking"]:
        chosen = row["seed"] == findings.choice.seed
        objective = "not finite" if row["objective"] is None else f"{row['objective']:.5g}"
        steps = _steps(findings, row) if trained else ()
        cells = [str(row["seed"]), objective, *steps, clock(row["wall_s"])]
        table.add_row(*cells, "chosen" if chosen else "", style="bold" if chosen else "")
    return table


def _steps(findings: Findings, row: dict[str, Any]) -> Sequence[str]:
    """Return a seed's training as cells: first and last objective, number of steps skipped."""
    few = thinned(findings.separation.curves.get(row["seed"], []))
    loss = findings.separation.method.terms[0]
    ends = [f"{few[0][loss]:.5g}", f"{few[-1][loss]:.5g}"] if few else ["", ""]
    return (*ends, str(row["n_skipped_steps"]))


def _curve(seed: int, rows: Sequence[dict[str, float]], terms: Sequence[str]) -> Table:
    """Return the chosen seed's training as a table."""
    table = _table(f"Training of seed {seed}, means up to each step", "step", *terms)
    for row in rows:
        table.add_row(f"{row['iteration']:.0f}", *(f"{row[term]:.4g}" for term in terms))
    return table


def _dictionary(report: DictionaryReport) -> Iterator[str | RenderableType]:
    """Yield the parts of the report on a dictionary file."""
    n_harmonics, n_instruments = report.dictionary.shape
    plural = "" if n_instruments == 1 else "s"
    yield Text(
        f"{report.path}: {n_instruments} instrument{plural}, {n_harmonics} harmonics", "bold"
    )
    yield _learned(dictionary_table(report.dictionary, _names(report)))
    found = alike(report)
    if found is not None:
        yield _alike(found)


def _names(report: DictionaryReport) -> list[str]:
    """Return names for the instruments of a dictionary."""
    return [f"instrument-{number + 1}" for number in range(report.dictionary.shape[1])]


def alike(report: DictionaryReport) -> tuple[str, str, float] | None:
    """Return the two most similar instruments of a dictionary and their similarity, 0 to 1.

    None if there is only one instrument.
    """
    return most_alike(report.dictionary, _names(report))


def _alike(found: tuple[str, str, float]) -> str:
    """Return in words which two timbres are the most similar."""
    return f"closest timbres: {found[0]} and {found[1]}, similarity {found[2]:.2f} (1 is equal)"


def _learned(shown: LearnedTable) -> Table:
    """Return something learned as a table for the terminal."""
    table = _table(shown.title, *shown.columns)
    for row in shown.rows:
        table.add_row(*row)
    return table


def _decibels(level_db: float | None) -> str:
    """Return a level in dB as the text of a cell; None is silence."""
    return "silent" if level_db is None else f"{level_db:z.1f}"


def _warnings(warnings: Sequence[str]) -> Iterator[str | RenderableType]:
    """Yield a line for every warning."""
    for warning in warnings:
        yield f"warning: {warning}"


def _pairs(rows: dict[str, str]) -> Table:
    """Return a table of names and values, without a frame."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table


def _table(title: str, first: str, *others: str) -> Table:
    """Return an empty table whose first column is of names and whose others are of numbers."""
    table = Table(title=Text(title, "bold"), title_justify="left", box=SIMPLE_HEAD)
    table.add_column(Text(first), no_wrap=True)
    for heading in others:
        table.add_column(Text(heading), justify="right")
    return table
