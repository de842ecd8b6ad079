"""Agreement: one rate, length and channel count for all tracks of a take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from musisep_cli.errors import InputError
from musisep_cli.evaluation.tracks import Layout, Track


def agree(
    *, references: Sequence[Track], stems: Sequence[Track], mix: Track | None, strict: bool
) -> tuple[Layout, list[str]]:
    """The layout of the references, and a notice for every repair that it asks of a track.

    Args:
        references: their highest rate and greatest length are everyone's.
        stems: their channels count if all files have the same number; else all become mono.
        mix: follows the others.
        strict: a repair is an error.
    """
    layout = _layout(references, stems)
    tracks = [*references, *stems, *([mix] if mix else [])]
    notices = [notice for track in tracks for notice in _repairs(track, layout)]
    if notices and strict:
        raise InputError(f"{notices[0]} With --strict that is an error; write files that agree.")
    return layout, notices


def _layout(references: Sequence[Track], stems: Sequence[Track]) -> Layout:
    """Rate and length of the references, channels of all."""
    rate = max(track.sample_rate_hz for track in references)
    channels = {track.n_channels for track in (*references, *stems)}
    return Layout(
        sample_rate_hz=rate,
        n_samples=max(track.samples_at(rate) for track in references),
        n_channels=channels.pop() if len(channels) == 1 else 1,
    )


def _repairs(track: Track, layout: Layout) -> Iterable[str]:
    """What has to be done to a track, in words."""
    resampled = track.sample_rate_hz != layout.sample_rate_hz
    if resampled:
        yield f"{track.path}: resampled from {track.sample_rate_hz} to {layout.sample_rate_hz} Hz."
    missing = layout.n_samples - track.samples_at(layout.sample_rate_hz)
    # Resampling rounds a length up or down.
    if abs(missing) > resampled:
        verb = "padded with" if missing > 0 else "cut by"
        seconds = abs(missing) / layout.sample_rate_hz
        yield f"{track.path}: {verb} {abs(missing)} samples ({seconds:.3f} s) at the end."
    if track.n_channels != layout.n_channels:
        target = "mono" if layout.n_channels == 1 else f"their mean in {layout.n_channels} channels"
        yield f"{track.path}: its {track.n_channels} channel(s) become {target}."
