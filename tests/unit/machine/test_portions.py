import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from musisep_cli.errors import DeviceError
from musisep_cli.machine.portions import Portions
from musisep_cli.methods.method import Settings
from musisep_cli.methods.policy.parameters import ParameterConfig
from musisep_cli.methods.policy.rollout import PolicyConfig
from musisep_cli.methods.policy.trainer import Trainer
from musisep_cli.run.one_seed import run_seed
from musisep_cli.run.settings.compose import compose
from musisep_cli.tones.objective import Objective
from tests.golden.steps import small_trainer
from tests.small import random_spectra
from tests.unit.run.test_checkpoint import CPU, NARROW, TINY, ignore, recording


def holds(most: int, seen: list[int]) -> type[Portions]:
    """A stand-in for a GPU whose memory holds so many frames."""

    class Short(Portions):
        def map(self, work, frames):  # type: ignore[no-untyped-def]
            def short(portion: Tensor) -> object:
                if len(portion) > most:
                    raise torch.OutOfMemoryError
                seen.append(len(portion))
                return work(portion)

            return super().map(short, frames)

    return Short


def test_all_at_once_where_it_fits() -> None:
    assert [len(part) for part in Portions().map(lambda x: x, torch.arange(6))] == [6]


def test_halves_until_it_fits_and_keeps_to_it() -> None:
    seen: list[int] = []
    portions = holds(3, seen)()
    for _ in range(2):
        found = torch.cat(portions.map(lambda x: x + 1, torch.arange(10)))
        assert_close(found, 1 + torch.arange(10))
    assert seen == [2] * 10


def test_a_single_frame_that_does_not_fit() -> None:
    with pytest.raises(DeviceError, match="does not hold a single frame"):
        holds(0, [])().map(lambda x: x, torch.arange(10))


@pytest.mark.parametrize("preset", ["standard", "quick"])
def test_a_run_goes_on_with_smaller_batches(
    preset: str, monkeypatch: pytest.MonkeyPatch, every_frame_is_clear: None
) -> None:
    seen: list[int] = []
    small = holds(20, seen)
    for module in ("policy.separate", "decoding.separate"):
        monkeypatch.setattr(f"musisep_cli.methods.{module}.Portions", small)
    for module in ("policy.trainer", "decoding.rehearsal"):
        monkeypatch.setattr(f"musisep_cli.methods.{module}.Portions", holds(1, seen))
    config: Settings = {"training": {"iterations": 2, "batch_size": 4}}
    result = run_seed(
        recording(),
        compose(preset, TINY, NARROW if preset == "standard" else {}, config),
        0,
        CPU,
        ignore,
    )
    assert set(seen) >= {1, 16}
    assert max(seen) == 16  # of 64
    assert torch.isfinite(torch.from_numpy(result.stems)).all()
    assert result.n_skipped == 0
    assert result.tracks.f0_hz.shape == (2, len(result.tracks.times_s))


def test_gradients_add_up_over_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    # A stand-in for exploring, which draws at random: gradients that are sums over the frames.
    def explore(self: Trainer, spectra: Tensor) -> tuple[list[Tensor], Objective]:
        weighted = [torch.full_like(w, float(spectra.abs().sum())) for w in self.weights]
        total = spectra.abs().sum(1)
        return [*weighted, self.dictionary.detach() * len(spectra)], Objective(*[total] * 4)

    monkeypatch.setattr(Trainer, "_explore", explore)
    taken, reports = [], []
    for most in (8, 1):
        monkeypatch.setattr("musisep_cli.methods.policy.trainer.Portions", holds(most, []))
        trainer = small_trainer(PolicyConfig(), ParameterConfig())
        monkeypatch.setattr(
            trainer.network_steps, "step", lambda gradients, _: taken.append(gradients)
        )
        reports.append(trainer.step(random_spectra(4, 64)))
    for whole, in_parts in zip(*taken, strict=True):
        assert_close(in_parts, whole)
    assert reports[0].terms["objective"] == pytest.approx(reports[1].terms["objective"])
