"""Settings: the presets are the specification's two variants, with masks for all frequencies."""

import pytest

from musisep_cli.run.settings.compose import compose


@pytest.mark.parametrize(
    ("preset", "model", "steps", "batch_size", "rate"),
    [
        ("source-filter", "spectral", 300, 4, 5e-4),
        ("source-filter-paper", "paper", 20_000, 16, 1e-4),
    ],
)
def test_presets_are_the_two_variants(
    preset: str, model: str, steps: int, batch_size: int, rate: float
) -> None:
    settings = compose(preset).settings
    training = settings.training
    assert (training.model, training.iterations) == (model, steps)
    assert (training.batch_size, training.learning_rate) == (batch_size, rate)
    assert settings.frame.max_frequency_hz > 192_000  # that of the highest rate there is
    assert settings.training.least_voiced_s == 8
