"""Encoder: an identity is who plays, not how loud, nor when."""

import torch
from torch import Tensor

from musisep_cli.methods.identity.encoder import IDENTITY_SIZE, Encoder

EXCERPTS = torch.randn(3, 16_384, generator=torch.Generator().manual_seed(0))


def encoder() -> Encoder:
    return Encoder(16, torch.Generator().manual_seed(0))


def encoded(excerpts: Tensor) -> Tensor:
    with torch.no_grad():
        identities: Tensor = encoder()(excerpts)
    return identities


def test_identities_are_64_numbers_of_unit_length() -> None:
    identities = encoded(EXCERPTS)
    assert identities.shape == (3, IDENTITY_SIZE)
    torch.testing.assert_close(identities.norm(dim=1), torch.ones(3))


def test_the_level_of_an_excerpt_does_not_matter() -> None:
    torch.testing.assert_close(encoded(EXCERPTS), encoded(1e-3 * EXCERPTS), atol=1e-4, rtol=0)


def test_a_long_rest_matters_little() -> None:
    # 16 groups of 16 frames each of sound, then 8 of silence: only those at the border change.
    sound = torch.randn(3, 16 * 16 * 256, generator=torch.Generator().manual_seed(1))
    with_rest = encoded(torch.cat([sound, torch.zeros(3, 8 * 16 * 256)], 1))
    cosines = (with_rest * encoded(sound)).sum(1)
    assert float(cosines.min()) > 0.97


def test_silence_has_a_finite_identity() -> None:
    assert bool(torch.isfinite(encoded(torch.zeros(1, 8_000))).all())


def test_the_gradient_is_finite_for_an_excerpt_with_silence() -> None:
    own = encoder()
    half = torch.cat([EXCERPTS[:1, :8_192], torch.zeros(1, 8_192)], 1)
    own(half).sum().backward()
    assert all(bool(torch.isfinite(weight.grad).all()) for weight in own.parameters())
