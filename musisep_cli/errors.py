"""Errors that a user can act on.

    MusisepError
    ├── InputError        a recording or another file that cannot be used
    ├── ConfigError       a setting, a flag, or a file of settings that cannot be used
    ├── DictionaryError   a dictionary file that does not fit
    ├── DeviceError       a GPU that was asked for and is not there, or is too small
    ├── CheckpointError   a checkpoint that is damaged, or of another run
    │   └── OtherVersionError  a checkpoint that another version of musisep kept
    ├── KilledError       seeds whose process the system killed, again and again
    ├── ClusterError      a cluster that is not there, or whose machines do not fit
    └── OutputError       a file that cannot be written, or that exists already

The message of an error has one or two lines: what was found, what is needed, and what to do. The
command line shows it without a traceback and exits with 1, or with 2 if it is a ConfigError and no
work was begun. Any other exception is a bug and keeps its traceback.
"""


class MusisepError(Exception):
    """The root of all errors that the user, not the program, has to resolve."""


class InputError(MusisepError):
    """A recording, or another file that is read, that cannot be used."""


class ConfigError(MusisepError):
    """A setting that is unknown, out of range, or contradicts another setting."""


class DictionaryError(MusisepError):
    """A dictionary file of the wrong size, or with values out of bounds."""


class DeviceError(MusisepError):
    """A computing device that was asked for and is not there, or has too little memory."""


class CheckpointError(MusisepError):
    """A checkpoint from which this run cannot go on."""


class OtherVersionError(CheckpointError):
    """A checkpoint that another version of musisep kept: whole, but of no use to this one."""


class KilledError(MusisepError):
    """Seeds that could not be made, since the system killed their process every time."""


class ClusterError(MusisepError):
    """A cluster that cannot be reached, or machines of it that cannot do this work."""


class OutputError(MusisepError):
    """A file that cannot be written, or that would overwrite another."""
