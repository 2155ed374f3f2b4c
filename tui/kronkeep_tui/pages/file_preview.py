"""The beginning of a file as lines of text, or of bytes in hexadecimal; pure.

What is in a file is hostile: control characters and escape sequences are shown as signs and do nothing.
"""

from kronkeep_common.text import clean, size
from kronkeep_tui.widgets.cells import Text, wrap_anywhere

MOST_BYTES = 64 * 1024
MOST_LINES = 10_000
MOST_UNREADABLE = 0.1  # of the characters of a text that are no UTF-8
BYTES_IN_LINE = 16
HEX_COLUMNS = 77  # of a line with BYTES_IN_LINE


def looks_like_text(data: bytes) -> bool:
    """Whether the bytes are a text in UTF-8, at least mostly, and without a zero byte."""
    if b"\0" in data:
        return False
    text = data.decode("utf-8", errors="replace")
    return text.count("\ufffd") <= max(1, MOST_UNREADABLE * len(text))


def head_line(path: str, shown: int, whole: int, *, is_hex: bool) -> Text:
    """Return the file's path and how much of it is shown."""
    part = f"the first {size(shown)} of {size(whole)}" if shown < whole else size(whole)
    return (
        (clean(path, 300), "strong"),
        (f"  {part}", "quiet"),
        (f"  {'bytes' if is_hex else 'text'}; x shows {'text' if is_hex else 'bytes'}", "quiet"),
    )


def text_lines(data: bytes, width: int) -> list[Text]:
    """Return the bytes as lines of text, broken where they are longer than the width."""
    lines: list[Text] = []
    for line in data.decode("utf-8", errors="replace").split("\n"):
        shown = clean(line.removesuffix("\r").expandtabs(8), MOST_BYTES)
        lines += [((part, ""),) for part in wrap_anywhere(shown, width)] if shown else [()]
        if len(lines) >= MOST_LINES:
            return [*lines[:MOST_LINES], ((f"more than {MOST_LINES:,} lines", "quiet"),)]
    return lines


def hex_lines(data: bytes, width: int) -> list[Text]:
    """Return the bytes in hexadecimal with their places, and as ASCII where they are such."""
    count = BYTES_IN_LINE if width >= HEX_COLUMNS else BYTES_IN_LINE // 2
    lines: list[Text] = []
    for place in range(0, len(data), count):
        part = data[place : place + count]
        signs = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(((f"{place:08x}  ", "quiet"), (f"{part.hex(' '):{count * 3}}", ""), (f" {signs}", "")))
    return lines
