"""Text from outside (names of tasks, agents, files, notes) made safe to show: nothing in it acts on a terminal."""

from __future__ import annotations

import json
import re

# Unicode's categories Cc, Cf, Cs, Zl and Zp: what moves the cursor, starts an escape sequence, turns the direction of
# reading, breaks a line or shows as nothing, and halves of surrogate pairs, which stand for bytes that are no text. And
# the code points that are no characters: XML takes none of the last two of a plane.
_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\ufdd0-\ufdef"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17))
    + "]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(text: object, *, keep: str = "") -> str:
    """The text with every character that is not simply shown as `\\x1b`, `\\u202e` or `\\n`, as Python writes them.

    Args:
      text: anything; its `str`.
      keep: characters that stay, such as the line breaks of a whole table.
    """
    return _ACTING.sub(lambda match: match[0] if match[0] in keep else _escape(match[0]), str(text))


def json_escaped(text: str) -> str:
    """JSON with the same characters written as JSON does, so that it says the same; its own line breaks stay."""
    return _ACTING.sub(lambda match: match[0] if match[0] in "\n" else json.dumps(match[0])[1:-1], text)


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
