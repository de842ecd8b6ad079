"""Names that the files of stems can have."""

import pytest

from musisep_cli.errors import ConfigError
from musisep_cli.sound.stem_names import LONGEST_NAME, RESERVED, check_names


@pytest.mark.parametrize("name", RESERVED)
def test_a_name_of_another_file_is_refused_with_its_flag(name: str) -> None:
    with pytest.raises(ConfigError, match=f"--like: '{name.upper()}' is the name of another file"):
        check_names(["oboe", name.upper()], "--like")


def test_a_name_has_an_end() -> None:
    check_names(["a" * LONGEST_NAME], "--like")
    with pytest.raises(ConfigError, match="keep to 60 characters"):
        check_names(["a" * (LONGEST_NAME + 1)], "--like")
