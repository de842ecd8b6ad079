"""Rounds: from the hypotheses of all frames to what every instrument plays.

1. The first decoding knows an instrument by one timbre, whatever its pitch.
2. What it found tells of notes that sound on where no hypothesis has them, and further hypotheses
   are added (``held_notes``).
3. The timbres at all pitches are learned from it, and every hypothesis gets another cost: how badly
   it explains the frame if these instruments play it, at any levels. So decoded again, octaves and
   rests come out better.

The third round also judges who plays what in the first. With instruments of one register, the
cheapest decoding may mix two of them up. But one timbre learned from the tones of two instruments
explains neither as well as the timbre of each explains its own, so that the right decoding costs
least once more is known of the timbres.

Instruments that are known from elsewhere are held in a further decoding (``known``). It counts if
it costs less, once each has what it says of the timbres: then two were mixed up before. Else the
blind one is returned as it is.

Axes: ``n`` frames, ``s`` hypotheses of a frame, ``i`` instruments and tones of a hypothesis, ``a``
assignments of tones to instruments, ``h`` harmonics, ``f`` bins, ``c`` channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musisep_cli.frames.framewise import BLOCK_FRAMES, Derived, Frames, Framewise, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.leaves import leafwise
from musisep_cli.frames.spool import Spool
from musisep_cli.machine.threads import CALLERS_OWN, Threads, in_turn
from musisep_cli.players.costs import Candidates, DecodingConfig
from musisep_cli.players.decoded import Decoded, candidates_of, dictionary_of_timbres, notes_of
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.players.instruments import Choice
from musisep_cli.players.known import heard_times, held
from musisep_cli.players.path import (
    Excerpt,
    Judge,
    decode,
    decode_again,
    go_on,
    least_cost,
)
from musisep_cli.players.rests import with_rests
from musisep_cli.players.scene import FRAMES_AT_ONCE, Decoding
from musisep_cli.players.voices import Voices
from musisep_cli.tones.dictionary import DictionaryConfig
from musisep_cli.tones.identity import Identity
from musisep_cli.tones.ringing import with_ringing
from musisep_cli.tones.timbre import Timbres, comb_of, learn_timbres

N_ROUNDS = 3
"""Number of rounds that are reported: decoded, further hypotheses found, decoded again."""

STEERINGS = 4
"""Most decodings with known instruments held, each by what the one before it tells of the others.
Of the notes of made-up duets in one register (``one_register`` in this file's tests) 27 % are in
the wrong hands blind, 11 % after one, 8 % after two, 6 % after four, and no fewer after eight."""
CLOSE = 0.03
"""Cost per frame by which decodings may differ and still count as equally good, where a line is to
be told from chords: then the highest line leads, as a musician expects. A narrow bass line under
chords costs about as little as the melody over them. For comparison, a rest costs 1.5."""
JUDGED_TRUST = 0.7
"""Trust in lines with which decodings are compared that were made with different ones."""

Widen: TypeAlias = Callable[[Framewise[Hypotheses], Decoding], Framewise[Hypotheses]]
"""Takes hypotheses and what was chosen of them, and returns the hypotheses with further ones."""


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """Decoding in several rounds, each by what the one before it tells of the instruments.

    Attributes:
        frame: the representation.
        voices: how many tones each instrument plays at once.
        config: weights.
        dictionary: how the dictionary starts that the timbres are learned from.
        seed: seed of the random starts.
        widen: adds further hypotheses to those found, once they are decoded; None for none.
        scratch: opens a file for what a long recording needs besides.
        pause: called block after block; may raise to end the work.
        reached: called with the number of rounds done, ``N_ROUNDS`` at the end.
        known: of every instrument that is known from elsewhere, the identities that it may have.
        threads: try different starts, and explain frames, side by side.
    """

    frame: GaborFrame
    voices: Voices
    config: DecodingConfig
    dictionary: DictionaryConfig
    seed: int
    widen: Widen | None = None
    scratch: Callable[[], Spool] = Spool.temporary
    pause: Callable[[], None] = go_on
    reached: Callable[[int], None] = lambda _: None
    known: Sequence[Sequence[Identity]] = ()
    threads: Threads = CALLERS_OWN

    def decode(
        self, found: Framewise[Hypotheses], spectra: Framewise[Tensor]
    ) -> tuple[Framewise[Hypotheses], Decoding]:
        """Return what every instrument plays: all hypotheses, and which of them was chosen.

        Args:
            found: hypotheses of all frames.
            spectra: of all frames, ``[n, f]``.

        Raises:
            OutputError: the disk is full.
        """
        n_instruments = len(self.voices.of_instruments)
        blocks = stretches(len(found), FRAMES_AT_ONCE)
        probable = torch.cat([found[block].loudness[:, 0] for block in blocks])
        config = with_rests(self.config, probable.cpu().numpy(), n_instruments)
        return replace(self, config=config)._decode(found, spectra)

    def _decode(
        self, found: Framewise[Hypotheses], spectra: Framewise[Tensor]
    ) -> tuple[Framewise[Hypotheses], Decoding]:
        """Return what ``decode`` does, with the weights as they are."""
        self.reached(0)
        if self.config.weight_harmonics == 0:
            only = self._first(found, least_cost)
            self.reached(N_ROUNDS)
            return found, only
        first = self._first(found, partial(self._best, found, spectra))
        self.reached(1)
        wider = self.widen(found, first) if self.widen else found
        self.reached(2)
        rounds = self._following_rings(found, spectra, first)
        decoding = rounds._again(wider, spectra, first)
        if self.known:
            decoding = rounds._steered(wider, spectra, decoding)
        self.reached(N_ROUNDS)
        return wider, decoding

    def _following_rings(
        self, found: Framewise[Hypotheses], spectra: Framewise[Tensor], first: Decoding
    ) -> Rounds:
        """Return rounds in which notes reach as far as they ring on in this recording.

        How far is measured once: it belongs to the room. In the excerpts that are judged before,
        pieces of the recording are joined, and a note seems to end at a seam.
        """
        notes = notes_of(Decoded(found, first), self.config.note_reach)
        reach = with_ringing(notes, spectra, self.frame).reach
        return replace(self, config=replace(self.config, note_reach=reach))

    def _first(self, found: Framewise[Hypotheses], judge: Judge) -> Decoding:
        """Return the decoding by one timbre of every instrument, whatever its pitch."""
        return decode(
            self._candidates(found),
            self.voices,
            self.config,
            self.seed,
            judge=judge,
            scratch=self.scratch,
            pause=self.pause,
            threads=self.threads,
        )

    def _again(
        self, found: Framewise[Hypotheses], spectra: Framewise[Tensor], first: Decoding
    ) -> Decoding:
        """Return the decoding by the timbres at all pitches that follow from the first one."""
        return self._by(found, spectra, first, self._learned(found, spectra, first))

    def _steered(
        self, found: Framewise[Hypotheses], spectra: Framewise[Tensor], blind: Decoding
    ) -> Decoding:
        """Return the decoding with known instruments held, or the blind one if that costs less.

        What is held once moves some notes, and from these more is learned of the others. Both are
        compared by what they cost once the timbres are learned from each: held ones always cost
        more than those that were learned for the purpose.
        """
        steered = blind
        for _ in range(STEERINGS):
            before, steered = steered, self._with_known(found, spectra, steered)
            if before.plays_as(steered):
                break
        if steered.plays_as(blind):
            return blind
        tried = [self._again(found, spectra, first) for first in (steered, blind)]
        return tried[0] if tried[0].cost < tried[1].cost else blind

    def _with_known(
        self, found: Framewise[Hypotheses], spectra: Framewise[Tensor], first: Decoding
    ) -> Decoding:
        """Return the decoding with known instruments held, all else as the first one tells it."""
        learned = self._learned(found, spectra, first)
        heard_s = heard_times(Decoded(found, first), self.frame)
        instruments, timbres = held(first.instruments, learned, heard_s, self.known)
        return self._by(found, spectra, replace(first, instruments=instruments), timbres)

    def _learned(
        self, found: Framewise[Hypotheses], spectra: Framewise[Tensor], first: Decoding
    ) -> Timbres:
        """Return the timbres at all pitches that follow from a decoding."""
        notes = notes_of(Decoded(found, first), self.config.note_reach)
        dictionary = dictionary_of_timbres(
            torch.from_numpy(first.instruments.timbres), self.dictionary
        )
        return learn_timbres(notes, spectra, dictionary.to(spectra[:1].device), self.frame)

    def _by(
        self,
        found: Framewise[Hypotheses],
        spectra: Framewise[Tensor],
        first: Decoding,
        timbres: Timbres,
    ) -> Decoding:
        """Return the decoding by timbres at all pitches, the instruments as in the first one."""
        return decode_again(
            self._candidates(found),
            first,
            Misfits(found, spectra, self.frame, timbres, self.voices, self.threads),
            self.config,
            scratch=self.scratch,
            pause=self.pause,
        )

    def _best(
        self,
        found: Framewise[Hypotheses],
        spectra: Framewise[Tensor],
        excerpt: Excerpt,
        decodings: Sequence[Decoding],
    ) -> Decoding:
        """Return the one of several decodings of an excerpt that costs least in the third round."""
        # Decoded again are the excerpt's frames alone, each with the hypothesis chosen in it.
        kept = Frames(Hypotheses, sum(part.stop - part.start for part in excerpt.parts))
        for part in excerpt.parts:
            kept.add(found[part].only(excerpt.hypotheses[part]))
        chosen, heard = kept.joined(), torch.cat([spectra[part] for part in excerpt.parts])
        # Threads that wait for each other would never end: each tries a start by itself.
        rounds = replace(self, pause=in_turn(self.pause), threads=CALLERS_OWN)
        firsts = [first.trusting(JUDGED_TRUST) for first in decodings]
        tried = self.threads.map(partial(rounds._again, chosen, heard), firsts)
        best = _leading([each.cost / len(heard) for each in tried], tried)
        return tried[best].trusting(decodings[best].instruments.trust_in_lines)

    def _candidates(self, found: Framewise[Hypotheses]) -> Framewise[Candidates]:
        """Return hypotheses in the form that is decoded."""
        return Derived(found, partial(candidates_of, frame=self.frame, places=self.config.places))


def _leading(costs: Sequence[float], decodings: Sequence[Decoding]) -> int:
    """Return the number of the decoding that costs least; with chords, of the highest such line.

    Args:
        costs: per frame.
        decodings: as many, of the same voices.
    """
    voices = decodings[0].voices
    close = 0.0 if voices.alike else CLOSE
    line = int(np.argmin(voices.of_instruments))
    equally_good = [k for k, cost in enumerate(costs) if cost <= min(costs) + close]
    heights = [decodings[k].instruments.register_semitones[line] for k in equally_good]
    return equally_good[int(np.argmax(heights))]


@dataclass(frozen=True)
class Misfits:
    """How badly the instruments would explain some states, as ``scene.Misfits``.

    Attributes:
        found: hypotheses of all frames.
        spectra: spectra of all frames, ``[n, f]``.
        frame: the representation.
        timbres: the timbres of the instruments.
        voices: how many tones each plays at once.
        threads: explain frames side by side.
    """

    found: Framewise[Hypotheses]
    spectra: Framewise[Tensor]
    frame: GaborFrame
    timbres: Timbres
    voices: Voices
    threads: Threads = CALLERS_OWN

    def __call__(self, frames: slice, names: Choice) -> NDArray[np.floating[Any]]:
        """Return the misfits of some states of consecutive frames, ``[n, p]``.

        Args:
            frames: which.
            names: the numbers of the states, as ``states.States`` has them, ``[n, p]``.
        """
        # Frames are read in this thread: a file has one place at which it is read.
        blocks = (
            (
                self.found[block],
                self.spectra[block],
                names[block.start - frames.start : block.stop - frames.start],
            )
            for block in stretches(frames, BLOCK_FRAMES)
        )
        return np.concatenate(list(self.threads.ahead(self._of_block, blocks)))

    def _of_block(self, block: tuple[Hypotheses, Tensor, Choice]) -> NDArray[np.floating[Any]]:
        """Return the misfits of states of a few frames, from hypotheses, spectra and names."""
        found, spectra, names = block
        n_hypotheses = found.tones.on.shape[1]
        tones = leafwise(lambda values: values.flatten(0, 1), found.tones)
        # Harmonics and overlaps are the same whoever plays: every hypothesis is sampled once.
        comb = comb_of(
            tones,
            spectra.repeat_interleave(n_hypotheses, 0),
            instruments=torch.from_numpy(self.voices.players).to(spectra.device),
            frame=self.frame,
            n_harmonics=self.timbres.table.shape[-1],
        )
        hypotheses, assignments = np.divmod(names, len(self.voices.assignments))
        sampled = hypotheses + n_hypotheses * np.arange(len(names))[:, None]
        players = self.voices.players_of_tones[assignments]  # n, p, m
        misfits = self.timbres.misfits(
            comb, sampled.reshape(-1), players.reshape(-1, players.shape[-1])
        )
        return misfits.reshape(names.shape)
