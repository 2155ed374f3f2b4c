"""A line of text that is edited."""

from hypothesis import given
from hypothesis import strategies as st

from kronkeep_tui.line_edit import EditedLine


@given(
    st.text(max_size=20),
    st.lists(
        st.sampled_from(
            [
                "left",
                "right",
                "home",
                "end",
                "backspace",
                "delete",
                "ctrl+w",
                "ctrl+u",
                "ctrl+k",
                "ctrl+left",
                "ctrl+right",
                "a",
                "é",
            ]
        ),
        max_size=20,
    ),
)
def test_the_cursor_stays_within_the_line(text: str, keys: list[str]) -> None:
    line = EditedLine(text, len(text))
    for key in keys:
        line = line.press(key, key if len(key) == 1 else None) or line
        assert 0 <= line.cursor <= len(line.text)
