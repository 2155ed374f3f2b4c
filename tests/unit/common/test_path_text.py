r"""Paths in their escaped form: shown harmlessly, and given back exactly."""

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kronkeep_common import path_text
from kronkeep_common.text import clean


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"/source/data/plain name.txt", "/source/data/plain name.txt"),
        ("/d/日本.txt".encode(), "/d/日本.txt"),
        (b"/d/caf\xe9.txt", r"/d/caf\xe9.txt"),
        (b"/d/back\\slash", r"/d/back\\slash"),
        (b"/d/new\nline\ttab\x1b[2J\x7f", r"/d/new\x0aline\x09tab\x1b[2J\x7f"),
        ("/d/zw\u200cnj\u200d".encode(), r"/d/zw\u200cnj\u200d"),
        ("/d/\u202e\u00ad\ufeff\u2066".encode(), r"/d/\u202e\u00ad\ufeff\u2066"),
        ("/d/\u0085\u00a0\u3000\u3164".encode(), r"/d/\u0085\u00a0\u3000\u3164"),
        ("/d/\U000e0041".encode(), r"/d/\U000e0041"),
        (b"/ lead/trail /in the middle", r"/\x20lead/trail\x20/in the middle"),
        (b"/ ", r"/\x20"),
        (b"/d/\\x41", r"/d/\\x41"),
        ("/d/\ufffd".encode(), "/d/\ufffd"),
        (b"/d/\xf0\x9f", r"/d/\xf0\x9f"),
        ("/d/a\u0301".encode(), "/d/a\u0301"),
        (b"/d/a" + "\u0301".encode() * 5, "/d/a" + r"\u0301" * 5),
    ],
)
def test_what_cannot_be_shown_is_escaped(path: bytes, shown: str) -> None:
    assert path_text.escape(os.fsdecode(path)) == shown
    assert os.fsencode(path_text.unescape(shown)) == path


@given(st.binary(max_size=60))
@example(b"\xed\xa0\x80")
@example(b"\\\\x41\\u0041")
@example("\u0300".encode() * 9)
def test_every_name_is_shown_harmlessly_and_given_back(name: bytes) -> None:
    shown = path_text.escape(os.fsdecode(name))
    assert clean(shown) == shown
    assert shown == shown.strip()
    assert os.fsencode(path_text.unescape(shown)) == name
    shown.encode()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (r"/d/*[x]?\ ", b"/d/*[x]?\\ "),
        ("/d/\\", b"/d/\\"),
        (r"/d/\q\x4", b"/d/\\q\\x4"),
        (r"/d/\ud800\U00110000", rb"/d/\ud800\U00110000"),
        (r"/d/\xc3\xa9", "/d/é".encode()),
        ("/d/new\nline", b"/d/new\nline"),
    ],
)
def test_a_backslash_that_begins_no_escape_stands_for_itself(text: str, path: bytes) -> None:
    assert os.fsencode(path_text.unescape(text)) == path


def test_bytes_of_a_command_line_can_be_sent() -> None:
    assert path_text.escape_bytes(os.fsdecode(b"/d/caf\xe9 \xc3\xa9\\")) == "/d/caf\\xe9 é\\"
