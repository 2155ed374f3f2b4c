"""A file's beginning: text or bytes, and nothing in it reaches the terminal as a command."""

from tests.ui.driving import HOSTILE

from kronkeep_tui.pages import file_preview as page
from kronkeep_tui.widgets.cells import plain


def test_text_is_told_from_bytes() -> None:
    assert page.looks_like_text("prix: 5 €\n".encode())
    assert page.looks_like_text("cut in a charact€".encode()[:-1])
    assert not page.looks_like_text(b"PK\x03\x04\x00\x00")
    assert not page.looks_like_text(bytes(range(128, 256)) * 3)


def test_hostile_text_is_shown_and_does_nothing() -> None:
    lines = page.text_lines(f"{HOSTILE}\nnext\tcolumn".encode("utf-8", "replace"), 60)
    shown = "\n".join(plain(line) for line in lines)
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)
    assert "next    column" in shown
    assert all(len(plain(line)) <= 60 for line in lines)


def test_bytes_have_their_places_and_the_lines_fit() -> None:
    data = bytes(range(40))
    lines = [plain(line) for line in page.hex_lines(data, 78)]
    assert lines[0].startswith("00000000  00 01 02 03")
    assert lines[2].startswith("00000020  20 21")
    assert lines[2].endswith(" !\"#$%&'")
    assert max(map(len, lines)) <= page.HEX_COLUMNS
    assert max(len(plain(line)) for line in page.hex_lines(data, 40)) <= 44


def test_how_much_is_shown_is_said() -> None:
    assert "the first 64.0 KiB of 3.0 MiB" in plain(page.head_line("/a", 65536, 3 * 2**20, is_hex=False))
