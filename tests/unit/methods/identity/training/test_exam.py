"""Exam: a network that knows the answer, and one that lets everything through."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from musisep_cli.methods.identity.training.exam import examine, questions
from musisep_cli.methods.identity.training.mixing import Mixer, MixingConfig
from tests.unit.methods.identity.training.small_pool import N_PIECES


class Oracle(nn.Module):
    """Returns the targets that it was given, in order; its encoder does nothing."""

    def __init__(self, targets: list[Tensor]) -> None:
        super().__init__()
        self.targets = iter(targets)
        self.encoder = nn.Identity()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, mixture: Tensor, identity: Tensor) -> Tensor:
        return next(self.targets)


def test_the_mixture_gains_nothing_and_the_truth_nearly_all(small_music: Path) -> None:
    config = MixingConfig(duration_s=1.0, n_mixtures=3, absent=0.3)
    asked = questions(Mixer(small_music, N_PIECES, config, 1), 2)
    mixtures = [torch.from_numpy(batch.mixture) for batch in asked]
    targets = [torch.from_numpy(batch.target) for batch in asked]
    nothing = examine(Oracle(mixtures), asked)  # type: ignore[arg-type]
    assert nothing.gain_db == pytest.approx(0, abs=1e-4)
    assert nothing.absent_db == pytest.approx(0, abs=1e-4)
    truth = examine(Oracle(targets), asked)  # type: ignore[arg-type]
    assert truth.gain_db > 60
    assert truth.right_one == 1
    assert truth.absent_db == pytest.approx(-90, abs=0.1)
