"""What the parts of the preset ``standard`` are worth: ``python -m tests.benchmarks.ablation``.

Every recording is searched once per way of searching; the rest is decoded and resynthesised again
for every seed. BSS Eval v2, means over the instruments, blind.
"""

import re
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Annotated, TypeAlias

import numpy as np
import torch
import typer
from threadpoolctl import threadpool_limits

from musisep_cli.frames.framewise import BLOCK_FRAMES, Frames, Framewise, stretches
from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.frames.spectra import Spectra
from musisep_cli.frames.spool import Spool, SpooledFrames
from musisep_cli.machine.process import keep_freed_memory
from musisep_cli.machine.threads import Threads
from musisep_cli.methods.decoding.method import EVERY_FRAME_BY_ITSELF
from musisep_cli.methods.decoding.search import SearchConfig, Searcher, set_fit
from musisep_cli.methods.method import Settings
from musisep_cli.methods.policy import warmstart
from musisep_cli.methods.policy.rollout import Policy
from musisep_cli.methods.policy.separate import new_policy
from musisep_cli.players.costs import DecodingConfig
from musisep_cli.players.decoded import Decoded, dictionary_of_timbres, notes_of
from musisep_cli.players.held_notes import Held, with_held
from musisep_cli.players.hypotheses import Hypotheses
from musisep_cli.players.rounds import Rounds
from musisep_cli.players.scene import Decoding
from musisep_cli.players.voices import Voices
from musisep_cli.run.settings.compose import compose, resolved
from musisep_cli.run.settings.config import Config
from musisep_cli.stems.fitting import Fitter
from musisep_cli.stems.waveforms import resynthesise
from musisep_cli.stems.wiener import WienerFilter
from tests.benchmarks.quality import CASES, mean_scores, references

Searched: TypeAlias = tuple[SearchConfig, str]
Transcribed: TypeAlias = tuple[Framewise[Hypotheses], Decoding, float]
"""The hypotheses, what was chosen of them, and the time it took."""
ROWS: dict[str, Settings] = {
    "all": {},
    "float32 in the network's convolutions": {"run": {"precision": "float32"}},
    "without decoding: the most probable tones of each frame": EVERY_FRAME_BY_ITSELF,
    "without octaves of the most probable set": {"search": {"octave_nats": 0.0}},
    "without tones at the harmonics of others": {"search": {"hidden_nats": 0.0}},
    "without notes held from the frames around": {"search": {"held_nats": 0.0}},
    "without refined pitches before sets are compared": {"search": {"refined_pitch": False}},
    "4 sets of tones per frame instead of 12": {"search": {"hypotheses": 4}},
    "without the network's probability": {"decoding": {"weight_probability": 1e-9}},
    "without the misfit": {"decoding": {"weight_misfit": 1e-9}},
    "without timbre": {"decoding": {"weight_timbre": 1e-9}},
    "without register": {"decoding": {"weight_register": 1e-9}},
    "without continuity": {"decoding": {"weight_leap": 1e-9}},
    "without a cost of rests": {"decoding": {"weight_rest": 1e-9}},
    "the labels with the least cost, not judged by the timbres": {"decoding": {"judged": 1}},
    "decoded once, without the timbres at all pitches": {"decoding": {"weight_harmonics": 0.0}},
    "one note at a time": {"decoding": {"note_reach": 0}},
    "every frame by itself: harmonics are not followed": {"resynthesis": {"steady_s": 0.0}},
    "every frame tells the levels of its tones for itself": {"resynthesis": {"level_s": 0.0}},
    "strings spread no harmonics": {"resynthesis": {"stretched": False}},
    "one window, also where notes change": {"resynthesis": {"change_window": 1.0}},
    "masks alone: nothing is fitted": {"resynthesis": {"rest_noise": 1e3}},
    "tones alone: what they leave over goes to the residual": {"resynthesis": {"stems": "direct"}},
}


def main(
    cases: str = ",".join(CASES),
    duration: Annotated[float, typer.Option(help="Only the first seconds.")] = 18.0,
    seeds: int = 3,
    threads: int = 2,
    rows: Annotated[str, typer.Option(help="Only those whose name matches.")] = "",
) -> None:
    """SDR / SIR per case, and the time of the search and of seed 0's rest over the length."""
    keep_freed_memory()
    torch.set_num_threads(1)
    threadpool_limits(1, "blas")  # as in a run
    names = cases.split(",")
    print("| | " + " | ".join(names) + " | time / length |")
    print("| --- |" + " --- |" * (len(names) + 1))
    with closing(Threads(threads)) as shared:
        scenes = [_Scene(name, duration, shared) for name in names]
        for name, settings in ROWS.items():
            if not re.search(rows, name):
                continue
            scored = [scene.scores(settings, seeds) for scene in scenes]
            columns = " | ".join(f"{sdr_db:.1f} / {sir_db:.1f}" for sdr_db, sir_db, _ in scored)
            ratio = sum(seconds for _, _, seconds in scored) / sum(s.duration_s for s in scenes)
            print(f"| {name} | {columns} | {ratio:.1f} |", flush=True)


def _searched(config: Config) -> Searched:
    """What the search depends on."""
    return replace(config.settings.search, held_nats=0.0), config.run.precision


class _Scene:
    """A recording, its references and what searching it has found."""

    def __init__(self, case: str, duration_s: float, threads: Threads) -> None:
        self.threads = threads
        self.recording, self.reference = references(case, duration_s)
        self.duration_s = self.recording.n_samples / self.recording.sample_rate_hz
        self.found: dict[Searched, tuple[Hypotheses, float]] = {}
        self.decoded: dict[tuple[SearchConfig, str, DecodingConfig, int], Transcribed] = {}
        self.config = compose("standard", {"run": {"instruments": len(self.reference)}})
        self.frame = GaborFrame(self.config.settings.frame, self.recording.sample_rate_hz)
        self.spectra = Spectra(self.recording, self.frame)

    def scores(self, settings: Settings, n_seeds: int) -> tuple[float, float, float]:
        """SDR and SIR in dB, mean over instruments and seeds; seconds of seed 0 with its search."""
        run: Settings = {"run": {"instruments": len(self.reference)}}
        config = resolved(compose("standard", run, settings), torch.device("cpu"))
        found, seconds = self._search(config)
        scores: list[list[float]] = []
        decodings: list[Decoding] = []
        for seed in range(n_seeds):
            wider, decoding, of_decoding = self._decode(found, config, seed)
            started = time.monotonic()
            same = [known for known in range(seed) if _plays_the_same(decodings[known], decoding)]
            scores.append(scores[same[0]] if same else self._scores(wider, decoding, config))
            decodings.append(decoding)
            if seed == 0:  # the others may be the same
                seconds += of_decoding + time.monotonic() - started
        sdr_db, sir_db, _ = np.mean(scores, 0)
        return float(sdr_db), float(sir_db), seconds

    def _search(self, config: Config) -> tuple[Hypotheses, float]:
        if _searched(config) not in self.found:
            started = time.monotonic()
            policy = self._policy(config)
            warmstart.load(policy, config.settings.warmstart)
            found = Frames(Hypotheses, len(self.spectra))
            n_harmonics = config.settings.dictionary.n_harmonics
            searcher = Searcher(
                policy, n_harmonics, config.settings.search, found.add, self.threads
            )
            for block in stretches(len(self.spectra), BLOCK_FRAMES):
                searcher.listen(self.spectra.of_channels[block])
            self.found[_searched(config)] = found.joined(), time.monotonic() - started
        return self.found[_searched(config)]

    def _policy(self, config: Config) -> Policy:
        return new_policy(config.settings, len(self.reference), self.frame, config.run.precision)

    def _decode(self, found: Hypotheses, config: Config, seed: int) -> Transcribed:
        known = config.settings.search, config.run.precision, config.settings.decoding, seed
        if known not in self.decoded:
            started = time.monotonic()
            rounds = Rounds(
                frame=self.frame,
                voices=Voices.single(len(self.reference)),
                config=config.settings.decoding,
                dictionary=config.settings.dictionary,
                seed=seed,
                widen=partial(self._widen, config)
                if config.settings.search.held_nats > 0
                else None,
            )
            wider, decoding = rounds.decode(found, self.spectra.of_mean)
            self.decoded[known] = wider, decoding, time.monotonic() - started
        return self.decoded[known]

    def _widen(
        self, config: Config, found: Framewise[Hypotheses], decoding: Decoding
    ) -> Framewise[Hypotheses]:
        fit = set_fit(
            self._policy(config),
            config.settings.dictionary.n_harmonics,
            config.settings.search,
        )
        held = Held(
            found, decoding, self.spectra.of_channels, fit, config.settings.search.held_nats
        )
        kept = SpooledFrames(Hypotheses, Spool.temporary(), torch.device("cpu"))
        return with_held(held, kept, lambda: None)

    def _scores(
        self, found: Framewise[Hypotheses], decoding: Decoding, config: Config
    ) -> list[float]:
        """SDR, SIR and SAR in dB, means over the instruments."""
        dictionary = dictionary_of_timbres(
            torch.from_numpy(decoding.instruments.timbres), config.settings.dictionary
        )
        fitter = Fitter(
            notes_of(Decoded(found, decoding), config.settings.decoding.note_reach),
            self.spectra.of_channels,
            self.spectra.in_windows,
            dictionary,
            self.frame,
            config.settings.resynthesis,
            self.threads,
        )
        refiner = WienerFilter(fitter, dictionary, config.settings.objective)
        samples, gain = self.spectra.samples, self.spectra.gain
        blocks = resynthesise(self.frame, samples, refiner.explain, gain, fitter.scales)
        return mean_scores(self.reference, torch.cat(list(blocks), 2)[:, 0].double().numpy())


def _plays_the_same(one: Decoding, other: Decoding) -> bool:
    same = (one.hypotheses == other.hypotheses).all() and (one.tones == other.tones).all()
    return bool(same)


if __name__ == "__main__":
    typer.run(main)
