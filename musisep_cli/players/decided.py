"""Decided: what every method calls that proposes sets of tones and leaves the choice to the house.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` instruments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

from musisep_cli.frames.framewise import Framewise
from musisep_cli.frames.spectra import Spectra
from musisep_cli.frames.spool import Spool, SpooledFrames
from musisep_cli.machine.threads import CALLERS_OWN, Threads
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.held_notes import Held, with_held
from musisep_cli.players.hypotheses import Hypotheses, SetFit
from musisep_cli.players.rounds import Rounds
from musisep_cli.players.scene import Decoding
from musisep_cli.players.voices import Voices
from musisep_cli.players.worth import n_with_own_tones, of_fewer, with_silent
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.identity import Identity


def decided(
    found: Framewise[Hypotheses],
    spectra: Spectra,
    fit: SetFit,
    voices: Voices,
    config: DecodingConfig,
    dictionary_config: DictionaryConfig,
    seed: int,
    *,
    held_nats: float,
    files: ExitStack,
    scratch: Callable[[], Spool],
    pause: Callable[[], None],
    reached: Callable[[int], None],
    known: Sequence[Sequence[Identity]] = (),
    threads: Threads = CALLERS_OWN,
) -> tuple[Framewise[Hypotheses], Decoding]:
    """Choose over all frames which tones sound and who plays them.

    Args:
        found: the sets that every frame may hold, as a method proposes them.
        spectra: of the recording.
        fit: how the sets were fitted, for those with notes held from frames near by.
        voices: how many tones each instrument plays at once.
        config: weights of what speaks for a tone.
        dictionary_config: of the dictionary that timbres start from.
        seed: of the random starts.
        held_nats: how much less probable sets with held notes are; 0: there are none.
        files: closes what is written here when the work is done.
        scratch: opens a file for what a long recording needs besides.
        pause: called block after block; may raise to end the work.
        reached: called with the number of rounds done, ``rounds.N_ROUNDS`` at the end.
        known: of every instrument that is known from elsewhere, the identities that it may have.
        threads: try different starts, and explain frames, side by side.

    Returns:
        The hypotheses, with those of held notes, and what was chosen of them.

    Raises:
        OutputError: the disk is full.
    """

    def widen(found: Framewise[Hypotheses], decoding: Decoding) -> Framewise[Hypotheses]:
        held = Held(found, decoding, spectra.of_channels, fit, held_nats)
        kept = SpooledFrames(
            Hypotheses, files.enter_context(closing(scratch())), spectra.mean.device
        )
        return with_held(held, kept, pause)

    n_instruments = voices.n_voices
    # Where an instrument plays chords, a voice with few tones of its own is none too many.
    is_lines = max(voices.of_instruments) == 1
    n_own = n_with_own_tones(found, config) if is_lines else n_instruments
    rounds = Rounds(
        frame=spectra.frame,
        voices=voices if n_own == n_instruments else Voices.single(n_own),
        config=config,
        dictionary=dictionary_config,
        seed=seed,
        widen=widen if held_nats > 0 else None,
        scratch=scratch,
        pause=pause,
        reached=reached,
        known=known,
        threads=threads,
    )
    if n_own == n_instruments:
        return rounds.decode(found, spectra.of_mean)
    wider, decoding = rounds.decode(of_fewer(found, n_own), spectra.of_mean)
    return with_silent(wider, decoding, n_instruments)
