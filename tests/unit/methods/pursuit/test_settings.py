"""Settings of sparse pursuit: the authors' constants."""

from musisep_cli.methods.pursuit.settings import PursuitSettings


def test_the_defaults_are_those_of_the_paper() -> None:
    settings = PursuitSettings()
    assert settings.dictionary.n_harmonics == 25
    assert settings.pursuit.tones_per_instrument == 1
    assert settings.pursuit.acceptance == 0.9
    assert settings.training.iterations == 10_000
    assert settings.training.atoms_per_instrument == 2
