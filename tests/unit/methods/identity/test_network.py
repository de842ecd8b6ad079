"""Network: what it must do whatever it has learned."""

import torch
from torch import Tensor

from musisep_cli.methods.identity.frames import analyse
from musisep_cli.methods.identity.network import Layer, Network, NetworkConfig

SMALL = NetworkConfig(n_channels=16, n_hidden=24, n_dilations=3, n_rows=2, n_encoder=8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=generator(seed))


def layers(network: Network) -> list[Layer]:
    return [layer for layer in network.layers if isinstance(layer, Layer)]


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    first, second, other = (Network(SMALL, seed).state_dict() for seed in (1, 1, 2))
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    assert not torch.equal(first["first.weight"], other["first.weight"])


def test_the_default_weights_fit_below_15_mb_in_half_precision() -> None:
    n_weights = sum(value.numel() for value in Network(NetworkConfig()).state_dict().values())
    assert 2 * n_weights < 15e6


def test_a_mask_of_one_returns_the_input() -> None:
    network = Network(SMALL)
    with torch.no_grad():
        network.last.weight.zero_()
        network.last.bias.fill_(30.0)  # a sigmoid of 1 - 1e-13
    mixture = noise(2, 8_000)
    target = network(mixture, network.named(torch.tensor([0, 1])))
    torch.testing.assert_close(target, mixture, atol=1e-5, rtol=0)


def test_without_gamma_and_beta_the_identity_changes_nothing() -> None:
    network, mixture = Network(SMALL), noise(2, 8_000)
    identities = network.named(torch.tensor([3, 4]))
    with torch.no_grad():
        different = network(mixture, identities) - network(mixture, identities.flip(0))
        for layer in layers(network):
            layer.condition.weight.zero_()
        same = network(mixture, identities) - network(mixture, identities.flip(0))
    assert float(different.abs().max()) > 1e-5
    assert float(same.abs().max()) == 0


def test_a_sample_depends_on_nothing_beyond_the_reach() -> None:
    network = Network(SMALL)
    identity = network.named(torch.tensor([0]))
    mixture = noise(1, 24_000)
    changed = mixture.clone()
    changed[:, 12_000] += 1
    with torch.no_grad():
        moved = (network(changed, identity) - network(mixture, identity))[0].abs() > 1e-7
    touched = torch.nonzero(moved)[:, 0] - 12_000
    reach = SMALL.reach_samples
    assert -reach <= int(touched.min()) < -reach // 2
    assert reach // 2 < int(touched.max()) <= reach


def test_the_default_network_reaches_less_than_2_1_seconds() -> None:
    assert NetworkConfig().reach_samples < 2.1 * 16_000


def test_masks_of_questions_in_a_batch_are_those_of_each_alone() -> None:
    network = Network(SMALL)
    spectra, identities = analyse(noise(3, 4_000)), network.named(torch.tensor([0, 1, 2]))
    with torch.no_grad():
        together = network.mask(spectra, identities)
        alone = [network.mask(spectra[[k]], identities[[k]]) for k in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)


def test_every_weight_learns_from_the_loss() -> None:
    network = Network(SMALL)
    heard = network.encoder(noise(2, 16_000, seed=1))
    named = network.named(torch.tensor([0, 1]))
    network(noise(2, 8_000), torch.stack([heard[0], named[1]])).square().sum().backward()
    dead = [
        name
        for name, weight in network.named_parameters()
        if weight.grad is None or not weight.grad.any()
    ]
    assert dead == []
