"""Notation: how lengths of time and numbers of channels are written for people."""

from __future__ import annotations


def clock(seconds: float, *, with_hours: bool = False) -> str:
    """Return a time in whole seconds as on a clock: min:s, or h:min:s from an hour on.

    Args:
        seconds: the time, 0 or more.
        with_hours: whether to write the hours even if they are 0, as on an axis of hours.

    >>> clock(7.4), clock(252), clock(7384), clock(75, with_hours=True)
    ('0:07', '4:12', '2:03:04', '0:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60 and not with_hours:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def channels_in_words(n_channels: int) -> str:
    """Return "mono", "stereo", or the number of channels.

    >>> channels_in_words(1), channels_in_words(2), channels_in_words(6)
    ('mono', 'stereo', '6 channels')
    """
    return {1: "mono", 2: "stereo"}.get(n_channels, f"{n_channels} channels")
