"""Nothing that is shown acts on a terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest

from harness.results.text import escaped, json_escaped

ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_every_acting_character_is_escaped_and_no_other() -> None:
    for code in range(0x110000):
        character = chr(code)
        kind = unicodedata.category(character)
        if kind in ACTING:
            assert escaped(character) == character.encode("unicode_escape").decode(), hex(code)
        elif kind != "Cn":  # what this Python does not know yet may have become one
            assert escaped(character) == character, hex(code)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb\u2066", r"a\u202eb\u2066"),
        ("caf\udce9", r"caf\udce9"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("Grüße, 你好 ±×–†", "Grüße, 你好 ±×–†"),
    ],
)
def test_texts_are_shown(text: str, shown: str) -> None:
    assert escaped(text) == shown
    assert escaped(escaped(text)) == shown
    assert escaped(text).encode()


def test_what_may_stay_stays() -> None:
    assert escaped("a\nb\t\x00", keep="\n") == "a\nb\\t\\x00"


def test_json_says_the_same() -> None:
    value = {"a\x1b\u202e": ["\x9b\x7f\ud800\U000e0001", "é\n"]}
    text = json_escaped(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert text.encode()
    assert escaped(text, keep="\n") == text
