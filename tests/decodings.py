"""Decodings for tests: what was chosen, with instruments of which nothing is known but timbres."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musisep_cli.players.instruments import Instruments
from musisep_cli.players.scene import Decoding
from musisep_cli.players.voices import Voices


def instruments(
    timbres: NDArray[Any],
    register_semitones: NDArray[Any] | None = None,
    spread_semitones: NDArray[Any] | None = None,
) -> Instruments:
    """Instruments of these timbres `[i, h]`, with registers if they are given."""
    n = len(timbres)
    return Instruments(
        timbres=timbres,
        timbre_spread=0.1,
        timbre_dimensions=2.0,
        register_semitones=np.ones(n) if register_semitones is None else register_semitones,
        spread_semitones=np.ones(n) if spread_semitones is None else spread_semitones,
        above=np.full((n, n), 0.5),
        level_nats=np.zeros(n),
        spread_nats=np.ones(n),
    )


def decoding(
    hypotheses: NDArray[np.int64], tones: NDArray[np.int64], timbres: NDArray[Any]
) -> Decoding:
    """A decoding of hypotheses `[n]` and tones `[n, v]` by instruments of one voice each."""
    voices = Voices.single(len(timbres))
    return Decoding(hypotheses, tones, voices, instruments(timbres), 0.0)
