"""Leaves: the arrays of a dataclass that may hold another dataclass of arrays.

What is known of a frame is a dataclass of tensors, and one of its fields may be the tones, a
dataclass of tensors themselves. Whoever cuts, joins, stores or moves such a record wants its
tensors, however deep they lie: they are its leaves, named by the fields on the way, with dots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, get_type_hints

Record = TypeVar("Record")


def leaves(record: Any) -> dict[str, Any]:
    """Return all arrays of a record by their names.

    >>> from dataclasses import make_dataclass
    >>> Tone, Sound = make_dataclass("Tone", ["pitch"]), make_dataclass("Sound", ["tone", "level"])
    >>> leaves(Sound(Tone([60, 62]), [0.5, 0.1]))
    {'tone.pitch': [60, 62], 'level': [0.5, 0.1]}
    """
    found: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if is_dataclass(value):
            found |= {f"{field.name}.{name}": leaf for name, leaf in leaves(value).items()}
        else:
            found[field.name] = value
    return found


def from_leaves(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """Return the record of a dataclass ``kind`` that has these ``leaves``.

    Raises:
        KeyError: one is missing.
    """
    types, of_fields = get_type_hints(kind), {}
    for field in fields(kind):  # type: ignore[arg-type]  # whoever calls gives a dataclass
        if is_dataclass(types[field.name]):
            start = f"{field.name}."
            inner = {k.removeprefix(start): v for k, v in values.items() if k.startswith(start)}
            of_fields[field.name] = from_leaves(types[field.name], inner)
        else:
            of_fields[field.name] = values[field.name]
    return kind(**of_fields)


def leafwise(change: Callable[..., Any], first: Record, *others: Record) -> Record:
    """Return a record whose leaves are ``change`` of the same leaves of one record or several.

    >>> from dataclasses import make_dataclass
    >>> Tone, Sound = make_dataclass("Tone", ["pitch"]), make_dataclass("Sound", ["tone", "level"])
    >>> leafwise(lambda one, other: one + other, Sound(Tone(60), 0.5), Sound(Tone(2), 0.25))
    Sound(tone=Tone(pitch=62), level=0.75)
    """
    changed = {}
    for field in fields(first):  # type: ignore[arg-type]  # whoever calls gives a dataclass
        values = [getattr(record, field.name) for record in (first, *others)]
        nested = is_dataclass(values[0])
        changed[field.name] = leafwise(change, *values) if nested else change(*values)
    return replace(first, **changed)  # type: ignore[type-var]  # the same
