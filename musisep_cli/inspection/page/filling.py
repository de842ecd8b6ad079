"""Filling of the template: everything that a listening page shows, as plain values and words."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from musisep_cli import __version__
from musisep_cli.inspection.page.compressed import codec_for, page_rate_hz
from musisep_cli.inspection.page.content import Listening, SeedPart, Sound
from musisep_cli.inspection.page.piano_roll import Range, path_of, pitch_range
from musisep_cli.pictures.strip import peak_level_db, strip_png
from musisep_cli.sound.notation import channels_in_words, clock
from musisep_cli.sound.pitch import frequency_hz, note_name

SCRIPTS = ("player.js", "listen.js", "hands.js")
"""The page's own scripts, in the order in which they are joined to one."""
ALL_SEEDS_MARK = '<meta name="musisep-seeds" content="all">'
"""Marks a page in which all seeds can be heard, so that it is written so again."""
_ENCODED_BYTES = 3 << 16
"""Bytes that are encoded at once; a multiple of 3, so that no Base64 block is padded inside."""
_ROLL_HEIGHT_PX = 320
"""Height in pixels of the spectrogram under the piano roll."""


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """A compressed sound on the disk until it is in the page."""

    path: Path

    def base64(self) -> Iterator[str]:
        """Yield its bytes as Base64, piece by piece."""
        with self.path.open("rb") as stream:
            while piece := stream.read(_ENCODED_BYTES):
                yield base64.b64encode(piece).decode("ascii")


def filled(
    listening: Listening, rate_hz: int, sounds: Mapping[str, Compressed], *, all_seeds: bool
) -> dict[str, Any]:
    """Return what the template is filled with.

    Args:
        listening: the content.
        rate_hz: sample rate of the recording.
        sounds: the sounds that go into the page, by their keys; none if it plays the files beside.
        all_seeds: whether it was asked for all seeds.
    """
    pitches = pitch_range(listening.notes)
    script, style = "".join(map(own_text, SCRIPTS)), own_text("listen.css")
    embedded = bool(sounds)
    return {
        "version": __version__,
        # These three are texts of our own, and the only ones that are not escaped.
        "all_seeds_mark": Markup(ALL_SEEDS_MARK) if all_seeds else "",
        "script": Markup(script),
        "style": Markup(style),
        "policy": _policy(script, style, embedded=embedded),
        "title": listening.separation.name,
        "facts": _facts(listening),
        "embedded": embedded,
        "rows": _rows(listening, with_mix=embedded),
        "seeds": [_seed(part) for part in listening.seeds],
        "silent_seeds": [
            {"seed": seed, "words": _in_words(objective, agreement)}
            for seed, objective, agreement in listening.silent_seeds
        ],
        "rolls": [_roll(part, pitches) for part in listening.seeds],
        "roll": _roll_frame(listening, pitches),
        "sounds": sounds,
        "run": _run(listening, rate_hz, pitches, embedded=embedded),
    }


def _policy(script: str, style: str, *, embedded: bool) -> str:
    """Return the content security policy of a page: no request of any kind leaves it.

    The page's own script and style are known by their hashes, pictures are in the page, and sounds
    too; a page that is too large for that may play files beside it, and nothing else.
    """
    parts = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    if not embedded:
        parts["media-src"] = "'self' file:"
    return "; ".join(f"{name} {value}" for name, value in parts.items())


def _hash(text: str) -> str:
    """Return a text's hash as a source of a content security policy."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _facts(listening: Listening) -> list[str]:
    """Return in words what was separated, and how."""
    manifest = listening.separation.manifest
    sound = manifest["input"]
    n_instruments, n_seeds = len(listening.seeds[0].stems), len(manifest["ranking"])
    rate = f"{sound['sample_rate_hz'] / 1000:g} kHz {channels_in_words(sound['n_channels'])}"
    facts = [
        f"{n_instruments} instrument{'s' * (n_instruments > 1)}",
        clock(sound["n_samples"] / sound["sample_rate_hz"]),
        rate,
        f"preset {manifest['config']['preset']}",
        f"seed {manifest['chosen_seed']}" + (f" of {n_seeds}" if n_seeds > 1 else ""),
    ]
    agreement = listening.seeds[0].agreement
    return facts if agreement is None else [*facts, f"agreement of the seeds {agreement:.0%}"]


def _rows(listening: Listening, *, with_mix: bool) -> list[dict[str, Any]]:
    """Return the rows of the page: instruments, the residual and the mix."""
    names = listening.separation.instrument_names
    rows = [
        {"key": f"line-{number}", "number": number, "name": name, "kind": "instrument"}
        for number, name in enumerate(names, 1)
    ]
    name = listening.separation.residual_name
    rows.append({"key": "residual", "number": 0, "name": name, "kind": "residual"})
    if with_mix:
        rows.append({"key": "mix", "number": None, "name": "original", "kind": "mix"})
    return rows


def _seed(part: SeedPart) -> dict[str, Any]:
    """Return a seed for its button."""
    return {
        "seed": part.seed,
        "words": _in_words(part.objective, part.agreement),
        "agreement": None if part.agreement is None else f"{part.agreement:.0%}",
    }


def _in_words(objective: float | None, agreement: float | None) -> str:
    """Return what is known of a seed without hearing it.

    >>> _in_words(0.00243921, 0.87)
    'objective 0.0024392, agreement 87%'
    """
    words = ["no result" if objective is None else f"objective {objective:.5g}"]
    return ", ".join(words if agreement is None else [*words, f"agreement {agreement:.0%}"])


def _roll(part: SeedPart, pitches: Range) -> dict[str, Any]:
    """Return a seed's notes as paths, by its rows."""
    return {"seed": part.seed, "paths": [path_of(notes, pitches) for notes in part.notes]}


def _roll_frame(listening: Listening, pitches: Range) -> dict[str, Any]:
    """Return the size of the piano roll in its units, and its lines at every C."""
    sound = listening.separation.manifest["input"]
    return {
        "width": round(100 * sound["n_samples"] / sound["sample_rate_hz"]),
        "height": pitches.y(pitches.low),
        "lines": [{"y": pitches.y(midi), "name": note_name(midi)} for midi in pitches.octaves],
    }


def _run(listening: Listening, rate_hz: int, pitches: Range, *, embedded: bool) -> dict[str, Any]:
    """Return what the script needs to know."""
    n_samples = int(listening.separation.manifest["input"]["n_samples"])
    heard_hz = page_rate_hz(rate_hz)
    names = listening.separation.instrument_names
    return {
        "name": listening.separation.name,
        "seconds": n_samples / rate_hz,
        "rate": heard_hz,
        "samples": round(n_samples * heard_hz / rate_hz),
        "embedded": embedded,
        "chosen": listening.seeds[0].seed,
        "names": names,
        "low": pitches.low,
        "high": pitches.high,
        "seeds": [_seed_data(part) for part in listening.seeds],
        "sounds": {
            sound.key: _sound_data(sound, listening.separation.folder, rate_hz)
            for sound in listening.sounds
        },
        "strips": _strips(listening, rate_hz, pitches),
    }


def _seed_data(part: SeedPart) -> dict[str, Any]:
    """Return a seed for the script: which sound is in which row, its notes and its doubts."""
    keys = [f"line-{number}" for number in range(1, len(part.stems) + 1)]
    return {
        "seed": part.seed,
        "own": list(part.own),
        "tracks": {key: stem.key for key, stem in zip(keys, part.stems, strict=True)}
        | {"residual": part.residual.key, "mix": "mix"},
        "notes": {
            key: [[round(n.onset_s, 3), round(n.offset_s, 3), note_name(n.midi)] for n in notes]
            for key, notes in zip(keys, part.notes, strict=True)
        },
        "doubts": [
            [round(start, 2), round(end, 2), round(share, 2)] for start, end, share in part.doubts
        ],
    }


def _sound_data(sound: Sound, folder: Path, rate_hz: int) -> dict[str, Any]:
    """Return a sound for the script: its form in the page, and the file beside it."""
    file = (
        None
        if sound.path is None
        else quote(os.path.relpath(sound.path, folder).replace(os.sep, "/"))
    )
    return {
        "mime": codec_for(page_rate_hz(rate_hz)).mime,
        "file": file,
        "scale": 1 / sound.file_gain,
    }


def _strips(listening: Listening, rate_hz: int, pitches: Range) -> dict[str, str]:
    """Return the spectrogram of every sound as the address of a picture in the page.

    All have the mix's scale, so that a quiet stem looks quiet. Under the piano roll lies the mix
    once more, with the roll's own range of pitches.
    """
    mix = listening.mix.samples
    peak_db = peak_level_db(mix, rate_hz)
    low_hz, high_hz = frequency_hz(pitches.low), frequency_hz(pitches.high)
    roll = strip_png(mix, rate_hz, low_hz=low_hz, high_hz=high_hz, height_px=_ROLL_HEIGHT_PX)
    del mix  # of an hour there is room for one sound in memory, not for two
    strips = {
        sound.key: _address(strip_png(sound.samples, rate_hz, peak_db=peak_db))
        for sound in listening.sounds
    }
    return {**strips, "roll": _address(roll)}


def _address(png: bytes) -> str:
    """Return a picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def own_text(name: str) -> str:
    """Return one of the page's own files, with the line ends that its hash counts on."""
    return files(__package__).joinpath("template", name).read_text("utf-8")
