"""Settings of the policy: the paper's sections, all of them with defaults that are allowed."""

from dataclasses import fields

from musisep_cli.methods.policy.settings import NetworkSettings, PolicySettings
from musisep_cli.run.settings.compose import compose


def test_the_policy_adds_the_training_to_what_makes_the_network() -> None:
    network = {entry.name for entry in fields(NetworkSettings)}
    policy = {entry.name for entry in fields(PolicySettings)}
    assert policy - network == {"estimator", "training"}


def test_paper_is_the_defaults_but_for_what_it_names() -> None:
    config = compose("paper").settings
    assert config.objective == PolicySettings().objective
    assert config.frame == PolicySettings().frame
