"""Errors that a user can act on.

    MusisepError
    ├── InputError        a recording that cannot be used
    ├── ConfigError       a setting, a flag, a TOML or JSON file
    ├── DictionaryError   a dictionary file that does not fit
    ├── DeviceError       a GPU was asked for and there is none
    ├── CheckpointError   a checkpoint that is damaged, or of another run
    └── OutputError       a file that cannot be written, or is there already

The message, one or two lines, says what was found, what is needed, and what to do. The command
line shows it without a traceback and exits with 1, or with 2 if it is a ConfigError and nothing was
begun; any other exception is a bug and keeps its own.
"""


class MusisepError(Exception):
    """The root: something that the user, not the program, has to change."""


class InputError(MusisepError):
    """A recording that cannot be used."""


class ConfigError(MusisepError):
    """A setting that is unknown, out of range, or contradicts another."""


class DictionaryError(MusisepError):
    """A dictionary file of the wrong size or with values out of bounds."""


class DeviceError(MusisepError):
    """A computing device that was asked for and is not there."""


class CheckpointError(MusisepError):
    """A file that holds no state from which this run could go on."""


class OutputError(MusisepError):
    """A file that cannot be written, or would overwrite another."""
