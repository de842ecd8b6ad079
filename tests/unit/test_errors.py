"""Errors: one root, so that the command line tells a user's problem from a bug."""

import inspect

from musisep_cli import errors


def test_every_error_is_the_user_s_to_resolve() -> None:
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
    assert len(classes) > 5
    assert all(issubclass(each, errors.MusisepError) for each in classes)


def test_a_checkpoint_of_another_version_is_an_error_of_checkpoints() -> None:
    assert issubclass(errors.OtherVersionError, errors.CheckpointError)
    assert not issubclass(errors.MusisepError, (OSError, ValueError))
