"""Stems of tones: what every method that ends in tones calls to turn them into waveforms.

Axes: ``n`` frames, ``t`` tones of a frame, ``i`` instruments, ``h`` harmonics.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from musisep_cli.frames.spectra import Spectra
from musisep_cli.machine.threads import CALLERS_OWN, Threads
from musisep_cli.sound.blockwise import Shelf, Stems
from musisep_cli.stems.fitting import Fitter
from musisep_cli.stems.one_window import ResynthesisConfig
from musisep_cli.stems.waveforms import shelved
from musisep_cli.stems.wiener import WienerFilter
from musisep_cli.tones.notes import NotesAround
from musisep_cli.tones.objective import ObjectiveConfig
from musisep_cli.tones.ringing import with_ringing
from musisep_cli.tones.tracks import Transcript


def of_tones(
    tones: NotesAround,
    spectra: Spectra,
    dictionary: Tensor,
    config: ResynthesisConfig,
    *,
    shelve: Shelf,
    offer: Callable[[], None],
    reached: Callable[[int], None],
    objective: ObjectiveConfig | None = None,
    threads: Threads = CALLERS_OWN,
    n_stems: int | None = None,
) -> tuple[Stems, Transcript]:
    """Fit the tones of all frames to the recording and share out what they leave over.

    Notes that ring on in this recording are fitted as long as they do.

    Args:
        tones: what the instruments play in every frame, and the notes around.
        spectra: of the recording.
        dictionary: D, ``[h, i]``: where the timbres at all pitches start from.
        config: how tones become stems.
        shelve: takes the stems, stretch after stretch.
        offer: called after every stretch; may raise to end the work.
        reached: called with the number of frames done.
        objective: weights of Eq. 21, by which the transcript tells how well it explains.
        threads: fit the frames side by side.
        n_stems: how many of the instruments, from the first on, become stems; None for all.

    Returns:
        The stems as ``shelve`` gives them, and what all voices played.
    """
    fitter = Fitter(
        with_ringing(tones, spectra.of_mean, spectra.frame),
        spectra.of_channels,
        spectra.in_windows,
        dictionary,
        spectra.frame,
        config,
        threads,
    )
    wiener_filter = WienerFilter(fitter, dictionary, objective or ObjectiveConfig())

    n_kept = dictionary.shape[1] if n_stems is None else n_stems

    def explain(channels: Tensor) -> Tensor:
        stems = wiener_filter.explain(channels)[:n_kept]
        reached(wiener_filter.transcript.n_done)
        return stems

    stems = shelved(explain, spectra, n_kept, shelve, offer, fitter.scales)
    return stems, wiener_filter.transcript.joined()
