"""Fewer bytes: whatever is written draws the same cells, in the same look."""

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.style import Style

from kronkeep_tui.sgr_diff import shorten

_PART = re.compile(r"\x1b\[([0-9;]*)m|(\x1b\[[?>]?[0-9;]*[A-Za-ln-z])|([^\x1b])", re.DOTALL)


def cells(data: str) -> list[tuple[str, object]]:
    """Every character and every movement, with how a terminal would draw it (ECMA-48, 8.3.117)."""
    found: list[tuple[str, object]] = []
    flags: set[str] = set()
    fore = back = "default"
    for codes, moved, letter in _PART.findall(data):
        if moved or letter:
            found.append((moved or letter, None if moved else (frozenset(flags), fore, back)))
            continue
        words = (codes or "0").split(";")
        while words:
            word = words.pop(0)
            if word == "0":
                flags = set()
                fore = "default"
                back = "default"
            elif word in ("38", "48"):
                count = {"5": 2, "2": 4}[words[0]]
                colour = ";".join(words[:count])
                words = words[count:]
                fore, back = (colour, back) if word == "38" else (fore, colour)
            elif word in ("39", "49"):
                fore, back = ("default", back) if word == "39" else (fore, "default")
            elif len(word) == 1:
                flags.add(word)
            elif word[0] in "39":
                fore = word
            else:
                back = word
    assert (flags, fore, back) == (set(), "default", "default"), "what comes after is drawn plain"
    return found


colours = st.sampled_from(
    [None, "default", "red", "bright_blue", "color(99)", "#102030", "#d5dae2", "#fbfaf7"]
)
styles = st.builds(
    Style,
    color=colours,
    bgcolor=colours,
    bold=st.booleans(),
    dim=st.booleans(),
    reverse=st.booleans(),
    underline=st.booleans(),
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=6)
moves = st.sampled_from(["\x1b[3;1H", "\x1b[?25l", "\x1b[2J"])
pieces = st.one_of(moves, texts, st.tuples(styles, texts))


@given(st.lists(pieces, max_size=12), st.sampled_from(list(ColorSystem)[:3]))
def test_the_same_is_drawn_with_no_more_bytes(
    found: list[str | tuple[Style, str]], system: ColorSystem
) -> None:
    written = "".join(
        piece if isinstance(piece, str) else piece[0].render(piece[1], color_system=system) for piece in found
    )
    thinned = shorten(written)
    assert cells(thinned) == cells(written)
    assert len(thinned) <= len(written)


def test_neighbours_of_one_ground_send_the_foreground_alone() -> None:
    bright, quiet = (Style.parse(f"{colour} on #14171c") for colour in ("#d5dae2", "#808999"))
    written = "".join(
        style.render("word", color_system=ColorSystem.TRUECOLOR) for style in (bright, quiet, bright)
    )
    assert shorten(written) == (
        "\x1b[38;2;213;218;226;48;2;20;23;28mword\x1b[38;2;128;137;153mword\x1b[38;2;213;218;226mword\x1b[0m"
    )


def test_what_is_not_understood_is_sent_as_it_is() -> None:
    odd = "\x1b[58;5;9mword\x1b[0m"
    assert shorten(odd) == odd
