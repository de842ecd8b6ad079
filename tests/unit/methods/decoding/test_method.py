"""Decoding as the house sees it: --no-decode, training where it is cheap, and what is in vain."""

from musisep_cli.methods.decoding.method import METHOD
from musisep_cli.run.settings.compose import apply, compose


def test_no_decode_leaves_one_hypothesis_and_no_regard_to_other_frames() -> None:
    config = compose("standard")
    changed = apply(config, METHOD.flags["--no-decode"](True)).settings
    assert not changed.decoding.over_time
    assert (changed.search.beam, changed.search.hypotheses) == (1, 1)
    assert (changed.search.octave_nats, changed.search.hidden_nats) == (0, 0)
    assert changed.search.held_nats == 0
    assert apply(config, METHOD.flags["--no-decode"](False)) == config


def test_a_gpu_trains_on_the_recording_unless_somebody_chose() -> None:
    settings = compose("standard").settings
    assert METHOD.completed(settings, 2, on_gpu=False) is settings
    on_gpu = compose("standard", on_gpu=True).settings.training
    assert on_gpu.iterations == settings.training.iterations_on_gpu
    chosen = compose("standard", {"training": {"iterations": 0}}, on_gpu=True)
    assert METHOD.n_steps(chosen.settings) == 0


def test_several_seeds_without_training_are_warned_of() -> None:
    without = compose("standard", {"training": {"iterations": 0}}).settings
    trained = compose("standard", {"training": {"iterations": 5}}).settings
    assert METHOD.warnings(without, 1) == METHOD.warnings(trained, 3) == []
    [told] = METHOD.warnings(without, 3)
    assert told.startswith("3 seeds take 3 times the time")


def test_the_batch_size_counts_only_where_is_trained() -> None:
    in_vain = [
        METHOD.without_effect(compose("standard", {"training": {"iterations": n}}).settings)
        for n in (0, 5)
    ]
    assert in_vain[0].keys() - in_vain[1].keys() == {"--batch-size"}


def test_the_trial_grows_with_the_threads_up_to_two() -> None:
    n_frames = [METHOD.trial(METHOD.settings(), 16_000, n).n_frames for n in (1, 2, 8)]
    assert n_frames[1] == 2 * n_frames[0] == n_frames[2]
