"""Whether the fields of a card, as read from JSON, have the types that `Card` annotates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, get_args, get_origin, get_type_hints

from robobench.types import Card

# Kind of annotation -> what JSON has for it, and that in words.
_KINDS: Final[Mapping[Any, tuple[Any, str]]] = {
    str: (str, "text"),
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
    Mapping: (dict, "an object"),
    Sequence: (list, "a list"),
    Any: (object, "anything"),
}


def wrong_types(values: Mapping[str, Any]) -> list[str]:
    """Name of each field with a value of another type, what was expected and what came.

    Args:
        values: Fields of a card, as `json.loads` reads them.
    """
    hints = _hints()
    return [told for name, value in values.items() for told in _wrong(name, hints[name], value)]


@cache  # working them out takes longer than reading a card
def _hints() -> Mapping[str, Any]:
    return get_type_hints(Card)


def _wrong(name: str, hint: Any, value: Any) -> Iterator[str]:
    kind, inside = get_origin(hint) or hint, get_args(hint)
    accepted, words = _KINDS[kind]
    true_for_number = isinstance(value, bool) and kind in (int, float)
    if true_for_number or not isinstance(value, accepted):
        yield f"{name}: expected {words}, got {str(value)[:40]!r} ({type(value).__name__})"
    elif kind is Mapping:
        for key, one in value.items():
            yield from _wrong(f"{name}.{key}", inside[1], one)
    elif kind is Sequence:
        for position, one in enumerate(value):
            yield from _wrong(f"{name}[{position}]", inside[0], one)
