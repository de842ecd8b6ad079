"""The decoding method as the house sees it: tones by the network, players over all frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from musisep_cli.frames.gabor import GaborFrame
from musisep_cli.methods.decoding import line_count
from musisep_cli.methods.decoding.limits import check, check_number
from musisep_cli.methods.decoding.separate import separate
from musisep_cli.methods.decoding.settings import DecodingSettings
from musisep_cli.methods.given_pitch import is_given, without_effect
from musisep_cli.methods.method import AsSettings, Result, Settings, Trial, Work, setting
from musisep_cli.methods.policy.method import NETWORK_FLAGS, TRIAL_STEPS, NetworkMethod
from musisep_cli.methods.registry import presets_of
from musisep_cli.methods.tone_method import GIVEN_FLAGS, ToneMethod
from musisep_cli.players.given.by_likeness import Known
from musisep_cli.sound.recording import Recording
from musisep_cli.stems.fitting import FOLLOWED_FRAMES

if TYPE_CHECKING:
    import torch

EVERY_FRAME_BY_ITSELF: Settings = {
    "search": {
        "beam": 1,
        "hypotheses": 1,
        "octave_nats": 0.0,
        "hidden_nats": 0.0,
        "held_nats": 0.0,
    },
    "decoding": {"over_time": False},
}
"""Settings by which every frame gets its most probable tones, whatever the frames around it."""


class DecodingMethod(ToneMethod, NetworkMethod):
    """Find tones by the network, and decode over time which of them sound and who plays them."""

    name = "decoding"
    settings = DecodingSettings
    presets = presets_of("decoding")
    stages: ClassVar[Mapping[str, str]] = {
        "listening": "listening to frame",
        "decoding": "deciding who plays what, round",
        "training": "training step",
        "transcription": "listening again to frame",
        "resynthesis": "resynthesis of frame",
    }
    flags: ClassVar[Mapping[str, AsSettings]] = {
        **NETWORK_FLAGS,
        **GIVEN_FLAGS,
        "--voices": setting("voices", "of_instruments"),
        "--melody": setting("voices", "melody"),
        "--no-decode": lambda wanted: EVERY_FRAME_BY_ITSELF if wanted else {},
    }

    def separate_found(
        self,
        recording: Recording,
        n_instruments: int,
        settings: DecodingSettings,
        work: Work,
        known: Known,
    ) -> Result:
        """Find what every instrument plays over all frames, and turn it into stems."""
        return separate(recording, n_instruments, settings, work, known)

    def n_lines(
        self, recording: Recording, settings: DecodingSettings, device: torch.device
    ) -> int:
        """Return how many melodic lines a recording speaks for, up to ``line_count.MOST_LINES``."""
        precision = self.precision(settings, "auto", device)
        return line_count.n_lines(recording, settings, device, precision)

    def n_told(self, settings: DecodingSettings) -> int | None:
        """Return the number of instruments that ``--voices``, ``--melody`` or ``--pitch`` tell."""
        if settings.voices.melody:
            return 1
        return len(settings.voices.of_instruments) or super().n_told(settings)

    def has_chords(self, settings: DecodingSettings) -> bool:
        """Return whether ``--voices`` or ``--melody`` speak of several tones at once."""
        return settings.voices.has_chords

    def is_whole(self, settings: DecodingSettings) -> bool:
        """Return whether all instruments have stems: of a melody what goes with it has none."""
        return super().is_whole(settings) and not settings.voices.melody

    def completed(self, settings: Any, n_instruments: int, *, on_gpu: bool) -> Any:
        """Return the settings with training on the recording where a GPU makes that cheap."""
        if not on_gpu or is_given(settings) or self.has_chords(settings):
            return settings
        iterations = settings.training.iterations_on_gpu
        return replace(settings, training=replace(settings.training, iterations=iterations))

    def check(self, settings: DecodingSettings, n_instruments: int) -> None:
        """Refuse settings that do not go together."""
        super().check(settings, n_instruments)
        check(settings, n_instruments)

    def check_files(self, settings: Any, n_instruments: int) -> None:
        """Refuse another number than the voices tell, and read the files that are named."""
        check_number(settings, n_instruments)
        super().check_files(settings, n_instruments)

    def warnings(self, settings: DecodingSettings, n_seeds: int) -> list[str]:
        """Return warnings of short solos, and where several seeds are hardly worth their time."""
        told = super().warnings(settings, n_seeds)
        if n_seeds == 1 or self.n_steps(settings) > 0:
            return told
        return [
            *told,
            f"{n_seeds} seeds take {n_seeds} times the time for next to nothing: without training "
            "they differ only in the random starts of decoding, and agree to 0.1 dB",
        ]

    def without_effect(self, settings: DecodingSettings) -> Mapping[str, str]:
        """Return the flags that change nothing with these settings."""
        return dict(self._without_effect(settings))

    def _without_effect(self, settings: DecodingSettings) -> Iterator[tuple[str, str]]:
        """Yield each flag that changes nothing, with the reason."""
        if is_given(settings):
            yield from without_effect(
                ("--iterations", "--batch-size", "--init-dictionary", "--no-decode")
            ).items()
        elif settings.training.iterations == 0:
            yield "--batch-size", "does not train on the recording (--iterations 100 does)"
        yield "--sampling", "does not learn by exploring (quick and paper do)"
        yield "--freeze-dictionary", "keeps the decoded dictionary (quick and paper learn theirs)"

    def trial_found(self, settings: DecodingSettings, sample_rate_hz: int, n_threads: int) -> Trial:
        """Return a few training steps, and as many frames as are followed at once."""
        training = settings.training
        n_steps = min(TRIAL_STEPS, training.iterations)
        frame = GaborFrame(settings.frame, sample_rate_hz)
        return Trial(
            settings=replace(settings, training=replace(training, iterations=n_steps)),
            hop_s=frame.hop_samples / sample_rate_hz,
            # As many as are fitted side by side; more would take too long.
            n_frames=min(n_threads, 2) * FOLLOWED_FRAMES,
            n_steps=training.iterations,
            may_stop=training.iterations > 0,
        )


METHOD = DecodingMethod()
