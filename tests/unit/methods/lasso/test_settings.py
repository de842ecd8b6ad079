"""Settings of the lasso: its bounds, and 0 where something can be left out."""

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.run.settings.compose import compose


@pytest.mark.parametrize("key", ["octave_nats", "held_nats"])
def test_zero_leaves_a_kind_of_set_out(key: str) -> None:
    config = compose("lasso", {"lasso": {key: 0.0}})
    assert getattr(config.settings.lasso, key) == 0
    with pytest.raises(ConfigError, match=rf"\[lasso\] {key} = -1.0: must be at least 0"):
        compose("lasso", {"lasso": {key: -1.0}})
