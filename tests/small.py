"""Small policies, and the tests' one door to the random generator."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from musisep_cli.methods.policy.parameters import ParameterConfig
from musisep_cli.methods.policy.rollout import Policy, PolicyConfig
from musisep_cli.methods.policy.unet import NetworkConfig
from musisep_cli.tones.objective import ObjectiveConfig

IDEAL_WIDTH_BINS = 1.91
"""Peak width of the paper's frame: 6 / pi bins."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The global generator, which the policy draws from, seeded inside and as before after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # noqa: TID251 - the tests' counterpart of pipeline.py
        yield


def small_policy(
    n_instruments: int,
    config: PolicyConfig | None = None,
    parameters: ParameterConfig | None = None,
    *,
    strides: tuple[int, ...] = (4, 4, 4),
    base_channels: int = 4,
    seed: int = 0,
) -> Policy:
    """A float64 policy with a small network, 64 bins by default."""
    with seeded(seed):
        policy = Policy(
            config or PolicyConfig(),
            network=NetworkConfig(base_channels=base_channels, strides=strides),
            parameters=parameters or ParameterConfig(),
            objective=ObjectiveConfig(),
            n_instruments=n_instruments,
            ideal_width_bins=IDEAL_WIDTH_BINS,
        )
    return policy.double()


class FreeOutputs(nn.Module):
    """Stands in for the network: free outputs per frame, whatever the input.

    Every frame has its own, so one backward pass gives one gradient per frame. `values`:
    `[b, 9 i, f]`; the rollouts of a frame lie in a row.
    """

    def __init__(self, values: Tensor, n_frames: int) -> None:
        super().__init__()
        self.values = nn.Parameter(values.expand(n_frames, -1, -1).clone())

    def forward(self, spectra: Tensor) -> Tensor:
        return self.values.repeat_interleave(len(spectra) // len(self.values), 0)


def random_spectra(n_frames: int, n_bins: int, *, size: float = 0.05, seed: int = 0) -> Tensor:
    """Complex normal spectra [b, f], float64."""
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(n_frames, n_bins, 2, dtype=torch.float64, generator=generator)
    return torch.view_as_complex(size * parts)
