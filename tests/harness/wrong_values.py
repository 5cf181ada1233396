"""Wrong inputs made from right ones: every field of a document as every kind of value that it is not."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

KINDS: dict[str, Any] = {
    "null": None,
    "list": [],
    "object": {},
    "text": "\x1b[31mtext",
    "number": -7,
    "fraction": 1.5,
    "truth": True,
}
TEXTS: dict[str, bytes] = {  # in the place of a whole document
    "nothing": b"",
    "null": b"null",
    "a number": b"3",
    "a text": b'"x"',
    "no JSON": b"{'a': 1}",
    "half": b'{"a": [1,',
    "a mark of byte order": b'\xef\xbb\xbf{"a": 1}',
    "another encoding": '{"a": 1}'.encode("utf-16"),
    "no text": b'{"a": "\xff"}',
    "half a character": b'{"a": "\\ud800"}',
    "a bomb": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "an endless number": b'{"a": ' + b"9" * 100_000 + b"}",
}


class Case(NamedTuple):
    """A document with one thing wrong, and the field that a sentence has to name."""

    name: str
    field: str
    value: Any


def kind_of(value: Any) -> str:
    """Which of `KINDS` a value is."""
    types = {type(None): "null", list: "list", dict: "object", str: "text", int: "number", float: "fraction"}
    return "truth" if isinstance(value, bool) else types[type(value)]


def fields(document: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of a document, of its objects and lists too."""
    for key in document if isinstance(document, dict) else range(len(document)):
        yield (*prefix, key)
        if isinstance(document[key], dict | list):
            yield from fields(document[key], (*prefix, key))


def changed(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The document with another value in one place."""
    other = copy.deepcopy(document)
    inner = other
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return other


def without(document: Any, place: tuple[Any, ...]) -> Any:
    other = copy.deepcopy(document)
    inner = other
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    return other


def wrong_types(document: Any, *, optional: tuple[str, ...] = ()) -> Iterator[Case]:
    """Every place as every kind of value that it is not; a whole number may stand for a fraction."""
    for place in fields(document):
        right = document
        for key in place:
            right = right[key]
        allowed = {kind_of(right), *(["null"] if place[0] in optional else [])}
        allowed |= {"number"} if kind_of(right) == "fraction" else set()
        name = ".".join(map(str, place))
        for kind, value in KINDS.items():
            if kind not in allowed:
                yield Case(f"{name} is {kind}", name, changed(document, place, value))


def missing_and_unknown(document: dict[str, Any], *, optional: tuple[str, ...] = ()) -> Iterator[Case]:
    """Every field left out, and one too many."""
    for name in document:
        if name not in optional:
            yield Case(f"without {name}", name, without(document, (name,)))
    yield Case("one field too many", "unheard_of", {**document, "unheard_of": 1})


def edits(document: Any) -> Iterator[Case]:
    """Every leaf as another value of its kind."""
    for place in fields(document):
        right = document
        for key in place:
            right = right[key]
        kind = kind_of(right)
        if kind in ("list", "object", "null"):
            continue
        other = {"text": f"{right}x", "truth": not right, "number": 1, "fraction": 0.25}[kind]
        other = right + 1 if other == right and kind in ("number", "fraction") else other
        yield Case(f"{'.'.join(map(str, place))} edited", ".".join(map(str, place)), changed(document, place, other))


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()
