"""Agreement: one sample rate, length and number of channels for all tracks of a take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from musisep_cli.errors import InputError
from musisep_cli.evaluation.tracks import Layout, Track


def agree(
    *, references: Sequence[Track], stems: Sequence[Track], mix: Track | None, strict: bool
) -> tuple[Layout, list[str]]:
    """Return the layout that all tracks are brought to, and a notice for every track it changes.

    Args:
        references: the layout has their highest sample rate and their greatest length.
        stems: if all stems and references have the same number of channels, the layout has it too;
            otherwise the layout is mono.
        mix: the mixture, if there is a file of it; the layout does not depend on it.
        strict: whether a change is an error.

    Returns:
        The layout, and one sentence for each change of a track.

    Raises:
        InputError: a track would be changed, and ``strict`` is set.
    """
    layout = _layout(references, stems)
    tracks = [*references, *stems, *([mix] if mix else [])]
    notices = [notice for track in tracks for notice in _repairs(track, layout)]
    if notices and strict:
        raise InputError(f"{notices[0]} With --strict that is an error; write files that agree.")
    return layout, notices


def _layout(references: Sequence[Track], stems: Sequence[Track]) -> Layout:
    """Return the layout: rate and length from the references, channels from all tracks."""
    rate = max(track.sample_rate_hz for track in references)
    channels = {track.n_channels for track in (*references, *stems)}
    return Layout(
        sample_rate_hz=rate,
        n_samples=max(track.samples_at(rate) for track in references),
        n_channels=channels.pop() if len(channels) == 1 else 1,
    )


def _repairs(track: Track, layout: Layout) -> Iterable[str]:
    """Yield a sentence for everything that must be done to bring a track to the layout."""
    resampled = track.sample_rate_hz != layout.sample_rate_hz
    if resampled:
        yield f"{track.path}: resampled from {track.sample_rate_hz} to {layout.sample_rate_hz} Hz."
    missing = layout.n_samples - track.samples_at(layout.sample_rate_hz)
    # Resampling rounds a length up or down: one sample more or less is no change of length.
    if abs(missing) > resampled:
        verb = "padded with" if missing > 0 else "cut by"
        seconds = abs(missing) / layout.sample_rate_hz
        yield f"{track.path}: {verb} {abs(missing)} samples ({seconds:.3f} s) at the end."
    if track.n_channels != layout.n_channels:
        target = "mono" if layout.n_channels == 1 else f"their mean in {layout.n_channels} channels"
        yield f"{track.path}: its {track.n_channels} channel(s) become {target}."
