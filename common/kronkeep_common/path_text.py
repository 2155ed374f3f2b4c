r"""Paths of files in a form that can be shown, copied and given back: what cannot be seen is escaped.

A backslash is `\\`. A byte that is not UTF-8, a control character of ASCII, and a space at an end of a name
is `\xNN`. Every other character that is invisible or changes how a text is shown is `\uNNNN` or
`\UNNNNNNNN`. A name without any of these is as it is. Inside Python, bytes that are not UTF-8 are surrogates,
as `os.fsdecode` makes them.
"""

import re

from kronkeep_common.text import clean

# Unicode calls these printable, and no font shows them: fillers of Hangul, and the empty Braille.
_INVISIBLE = "\u115f\u1160\u2800\u3164\uffa0"
_ESCAPE = re.compile(r"\\(?:(\\)|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_SPACE_AT_AN_END = re.compile(r"(?:(?<=/)|^) | (?=/|$)")
_LONGEST = 1 << 20  # characters


def escape(path: str) -> str:
    """Return the form of a path; `unescape` gives the path back."""
    escaped = escape_message(path)
    return _SPACE_AT_AN_END.sub(r"\\x20", escaped) if " " in escaped else escaped


def escape_message(text: str) -> str:
    """Return the form of a message with paths in it: what cannot be seen is escaped as in a path."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    shown = "".join(char if _is_visible(char) else _escape_char(char) for char in text)
    if clean(shown, _LONGEST) != shown:  # too many marks above one letter
        shown = "".join(char if char.isascii() else _escape_char(char) for char in shown)
    return shown


def _is_visible(char: str) -> bool:
    return char.isprintable() and char != "\\" and char not in _INVISIBLE and clean(char) == char


def _escape_char(char: str) -> str:
    code = ord(char)
    if char == "\\":
        return r"\\"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unescape(text: str) -> str:
    """Return the path that a text means; a backslash that begins no escape stands for itself."""
    path = _ESCAPE.sub(_replace_escape, text)
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _replace_escape(match: re.Match[str]) -> str:
    backslash, byte, short, long = match.groups()
    if backslash:
        return "\\"
    if byte:
        code = int(byte, 16)
        return chr(code) if code < 0x80 else chr(0xDC00 + code)
    code = int(short or long, 16)
    if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return match[0]
    return chr(code)


def local_name(path: str) -> str:
    """Return a harmless name for a local copy of a file: its own, or the escaped one."""
    name = unescape(path).rpartition("/")[2]
    return name if clean(name, 200) == name else escape(name)[:200]


def escape_bytes(text: str) -> str:
    """Return a text from a command line with the bytes that are not UTF-8 escaped, so that it can be sent."""
    return "".join(_escape_char(char) if 0xDC80 <= ord(char) <= 0xDCFF else char for char in text)
