"""Configurations of the parts of sparse pursuit; the defaults are the authors' constants.

They stand apart from the compiled code, so that a run can be planned without loading it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class LineConfig:
    """How spectra are taken apart into lines."""

    n_rounds: int = field(default=20, metadata={"least": 1, "most": 100})
    """Rounds of selection and fit at most; more than three gain nothing."""
    n_sweeps: int = field(default=50, metadata={"least": 1, "most": 1000})
    """Sweeps over all lines in every round at most."""
    floor: float = field(default=0.0, metadata={"least": 0, "below": 1})
    """Maxima below this part of the frame's peak start no line."""
    most: int = field(default=1000, metadata={"least": 1, "most": 100_000})
    """Lines that are kept in a frame."""


@dataclass(frozen=True, kw_only=True)
class PursuitConfig:
    """How a spectrum is taken apart into tones, and what becomes of them."""

    sound: Literal["masked", "decoded"] = "masked"
    """masked: the tones of every frame divide the mixture, as in the paper ([mask]). decoded: they
    are hypotheses, of which those that sound are chosen over time, and become stems as with the
    other methods ([sets])."""
    tones_per_instrument: int = field(default=1, metadata={"least": 1, "most": 8})
    """T, tones that an instrument can play at once."""
    acceptance: float = field(default=0.9, metadata={"most": 1})
    """lambda: a round must lower the norm of the lifted residual below this part of it."""
    n_steps: int = field(default=100, metadata={"least": 1, "most": 10_000})
    """Steps of a fit at most."""
    tolerance: float = field(default=2e-9, metadata={"least": 0, "below": 1})
    """A fit ends when a step lowers the distance by less than this part of it."""


@dataclass(frozen=True, kw_only=True)
class LearningConfig:
    """How the dictionary is learned."""

    iterations: int = field(default=10_000, metadata={"least": 1, "most": 100_000_000})
    """Frames that are drawn; the authors take 10,000 or 100,000."""
    dictionaries: int = field(default=1, metadata={"least": 1, "most": 1000})
    """Dictionaries that are learned, of which the best is kept by its misfit, blind."""
    on_the_way: bool = False
    """Whether the dictionary of a training is the best on its way, by its misfit, instead of the
    last: near the end an atom that explains much may just have been lost."""
    rate: float = field(default=1e-3, metadata={"most": 1})
    """Step of (P5), as a part of an atom's largest amplitude."""
    atoms_per_instrument: int = field(default=2, metadata={"least": 1, "most": 8})
    """Atoms that compete for an instrument, of which one is kept."""


@dataclass(frozen=True, kw_only=True)
class MaskConfig:
    """How tones become stems."""

    enabled: bool = True
    """Divide the mixture among the tones (P7); else a stem is its tones alone, in its phase."""
    floor: float = field(default=0.0, metadata={"least": 0, "below": 1})
    """What is taken as nobody's, relative to the loudest line of the frame; the authors: 0."""


@dataclass(frozen=True, kw_only=True)
class SetsConfig:
    """Where tones are decoded: which sets of them are weighed."""

    tones_per_atom: int = field(default=2, metadata={"least": 1, "most": 8})
    """Tones that are pursued with every atom."""
    acceptance: float = field(default=0.99, metadata={"most": 1})
    """lambda of this pursuit: what is hardly worth a tone is still weighed."""
    most_tones: int = field(default=6, metadata={"least": 1, "most": 12})
    """Tones of a frame, the tallest, of which sets are made."""
    sets: int = field(default=12, metadata={"least": 1, "most": 1000})
    """Sets of a frame that are kept, those of the tallest tones."""
    nats: float = 6.0
    """How much less probable than the tallest set the one without any tone is."""
    octave_nats: float = 10.0
    """How much less probable than the tallest set it is with one tone an octave off."""
    held_nats: float = field(default=5.0, metadata={"least": 0})
    """How much less probable than what was decoded a set is in which notes are held from the frames
    before, or begun before those after; 0: there are none."""
