"""Weights: those that adaptation starts from, in one safetensors file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import safetensors
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import Tensor

from musisep_cli.errors import ConfigError
from musisep_cli.machine.files import atomic_path
from musisep_cli.methods.source_filter.network import Network

BUILTIN = "builtin"
"""Name of the weights inside the package; ``weights/README.md`` there says how they were made."""
PROGRAM = "python -m musisep_cli.methods.source_filter.training"
"""The program that makes such weights."""
OF_VOICES = "voices"
"""Name of the voices' own vectors, which belong to a recording and are in no file."""


def save(state: dict[str, Tensor], path: Path) -> None:
    """Write a network's weights as half-precision numbers, without the voices' own vectors."""
    kept = {name: x.half().contiguous().cpu() for name, x in state.items() if name != OF_VOICES}
    with atomic_path(path) as temporary:
        temporary.write_bytes(serialise(kept))


def load(network: Network, name: str) -> None:
    """Put weights into a network, in place; the voices' own vectors stay as they are.

    Args:
        network: of the sizes of the file's.
        name: ``BUILTIN``, or the path of a file that ``save`` wrote.

    Raises:
        ConfigError: the file cannot be read, or belongs to a network of another size.
    """
    given = _read(name)
    own = {key: x for key, x in network.state_dict().items() if key != OF_VOICES}
    if {key: x.shape for key, x in own.items()} != {key: x.shape for key, x in given.items()}:
        raise ConfigError(
            f"[training] weights = '{name}': they belong to a network of another size; leave "
            '[network] as the preset has it, or start from scratch with weights = ""'
        )
    network.load_state_dict(
        {key: value.to(own[key].dtype) for key, value in given.items()}, strict=False
    )


def _read(name: str) -> dict[str, Tensor]:
    """Return the tensors of a file or of the built-in weights."""
    try:
        if name == BUILTIN:
            folder = resources.files("musisep_cli.methods.source_filter") / "weights"
            return parse((folder / "voices.safetensors").read_bytes())
        return parse(Path(name).read_bytes())
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise ConfigError(
            f"[training] weights = '{name}': cannot be read as weights ({error}); give "
            f"'{BUILTIN}' or a file that {PROGRAM} wrote"
        ) from error
