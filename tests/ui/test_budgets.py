"""Bytes and frames on a real terminal device, at 80x24 and 200x50: what one sees over SSH is what is sent."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.ui.terminal import Sent, Terminal, kronkeep

IDLE_SECONDS = 1.5  # in which ages are shown anew at least once


def look(width: int, height: int, theme: str, *marks: pytest.MarkDecorator) -> Any:
    """Return a size and a theme as one parameter."""
    return pytest.param(((width, height), theme), id=f"{width}x{height}-{theme}", marks=marks)


# Each size and each theme once; the bytes of the other pairs differ in the numbers of their colours only.
LOOKS = [
    look(80, 24, "terminal"),
    look(80, 24, "light"),
    look(200, 50, "dark"),
    look(80, 24, "dark", pytest.mark.torture),
    look(200, 50, "terminal", pytest.mark.torture),
    look(200, 50, "light", pytest.mark.torture),
]


@pytest.fixture(params=LOOKS)
def size_and_theme(request: pytest.FixtureRequest) -> tuple[tuple[int, int], str]:
    chosen: tuple[tuple[int, int], str] = request.param
    return chosen


@pytest.fixture
def size(size_and_theme: tuple[tuple[int, int], str]) -> tuple[int, int]:
    return size_and_theme[0]


@pytest.fixture
def theme(size_and_theme: tuple[tuple[int, int], str]) -> str:
    return size_and_theme[1]


@pytest.fixture
def jobs(size: tuple[int, int], theme: str) -> Iterator[Terminal]:
    with kronkeep("busy", *size, theme=theme) as terminal:
        terminal.first = terminal.wait_for(b"pg-dwh-incr").data + terminal.settle().data
        yield terminal


def most(size: tuple[int, int], small: int, large: int) -> int:
    return small if size[0] == 80 else large


def first_frame(sent: Sent) -> int:
    return len(sent.data.split(b"\x1b[?2026h")[1])


def test_every_step_keeps_its_budget(jobs: Terminal, size: tuple[int, int]) -> None:
    first = Sent(jobs.first)
    assert first.bytes <= most(size, 12_000, 40_000)
    assert first.frames <= 4, ("the fixed rows, the view, what was read, and that it is live", first.texts)
    idle = jobs.read_for(IDLE_SECONDS)
    assert idle.bytes == 0, idle
    cursor = jobs.press(b"j")
    assert 0 < first_frame(cursor) <= most(size, 400, 650)
    assert cursor.frames <= 2, ("the cursor, then the details once it rests", cursor.texts)
    for keys in (b"t", b"n", b"/"):
        prompt = jobs.press(keys)
        assert 0 < prompt.bytes <= most(size, 200, 300)
        assert prompt.frames == 1
    for keys in (b"p", b"g"):  # with a hint beside the text, and without one
        typed = jobs.press(keys)
        assert 0 < typed.bytes <= most(size, 4_000, 14_000), typed.texts
    jobs.press(b"\x1b")
    for keys in (b"3", b"4", b"5", b"6", b"1", b"2", b"?", b"\x1b", b"\r"):
        switched = jobs.press(keys)
        assert 0 < switched.bytes <= most(size, 6_500, 22_500), keys
        most_frames = most(size, 3, 4)
        assert switched.frames <= most_frames, (keys, "tabs, view, what it read, the log", switched.texts)
    jobs.press(b"3")
    page = jobs.press(b"\x1b[6~")
    assert 0 < page.bytes <= most(size, 4_000, 14_000)


def test_typing_in_the_form_costs_a_line(jobs: Terminal, size: tuple[int, int]) -> None:
    opened = jobs.press(b"n")
    assert 0 < opened.bytes <= most(size, 6_500, 24_000)
    assert jobs.read_for(IDLE_SECONDS).bytes == 0, "the form is idle"
    for keys in (b"a", b"b", b"\x7f"):
        typed = jobs.press(keys)
        assert 0 < typed.bytes <= most(size, 300, 500), keys
        assert typed.frames <= 2, keys
    down = jobs.press(b"\t")
    assert 0 < down.bytes <= most(size, 600, 900)


def test_a_changed_row_costs_a_row_and_one_out_of_sight_nothing(size: tuple[int, int], theme: str) -> None:
    with kronkeep("busy", *size, start="runs", theme=theme) as terminal:
        terminal.wait_for(b"pg-sessions")
        terminal.settle()
        terminal.change(1)
        one = terminal.settle()
        assert 0 < one.bytes <= 300
        assert one.frames == 1
        terminal.change(10)
        ten = terminal.settle()
        assert 0 < ten.bytes <= most(size, 1_600, 2_600)
        assert ten.frames <= 2
        terminal.press(b"G")
        terminal.change(5)
        assert terminal.settle().bytes == 0


def test_a_night_of_a_thousand_rows_costs_what_changes(size: tuple[int, int], theme: str) -> None:
    with kronkeep("thousand", *size, start="night", theme=theme) as terminal:
        terminal.wait_for(b"runs at once")
        terminal.settle()
        opened = terminal.press(b"b")
        assert 0 < opened.bytes <= most(size, 7_000, 36_000)
        terminal.press(b"Sn")
        assert terminal.read_for(IDLE_SECONDS).bytes == 0
        terminal.change(1)
        one = terminal.settle()
        assert 0 < one.bytes <= 300, one.texts
        assert one.frames == 1
        cursor = terminal.press(b"j")
        assert 0 < first_frame(cursor) <= most(size, 650, 1_500)
        for keys in (b"\x1b[D", b"+", b"["):
            moved = terminal.press(keys)
            assert 0 < moved.bytes <= most(size, 7_000, 36_000), keys
            assert moved.frames <= 3, keys


@pytest.mark.parametrize("view", ["overview", "restore", "storages", "policies"])
def test_the_cockpit_and_previews_are_idle_and_a_cursor_costs_what_differs(view: str) -> None:
    with kronkeep("failing", 200, 50, start=view, theme="dark") as terminal:
        terminal.wait_for(b"runs at once" if view == "overview" else b"row 1/")
        terminal.settle()
        terminal.wait_until_idle(IDLE_SECONDS)
        cursor = terminal.press(b"j")
        assert 0 < first_frame(cursor) <= 900, "rows of the cockpit have several lines"
        preview = terminal.wait_until_idle(IDLE_SECONDS)
        assert cursor.bytes + preview.bytes <= 6_000, "with the preview, once the cursor rests"
        assert cursor.frames + preview.frames <= 5


def test_a_change_in_the_cockpit_costs_what_differs() -> None:
    with kronkeep("thousand", 200, 50, start="overview", theme="dark") as terminal:
        terminal.wait_for(b"runs at once")
        terminal.settle()
        terminal.wait_until_idle(IDLE_SECONDS)
        terminal.change(1)
        one = terminal.settle()
        assert 0 < one.bytes <= 300, one.texts
        assert one.frames == 1


def test_200_changes_a_second_stay_under_20_kilobytes_and_keys_are_answered() -> None:
    with kronkeep("busy", 80, 24, start="runs", theme="terminal") as terminal:
        terminal.wait_for(b"pg-sessions")
        terminal.settle()
        sent = b""
        seconds = 4
        began = time.monotonic()
        used = terminal.cpu()
        for tick in range(seconds * 10):
            terminal.change(20)
            if tick % 5 == 2:
                typed = time.monotonic()
                answer = terminal.cursor(b"j", tick // 5 + 1)
                flushes = 4 * (time.monotonic() - typed)  # that fall due before a busy machine reads the key
                assert answer.frames <= 2 + flushes, "its own, the one that was being made, and flushes"
                sent += answer.data
            while (left := began + (tick + 1) / 10 - time.monotonic()) > 0:
                sent += terminal.read_for(left).data
        took = time.monotonic() - began
        assert len(sent) / took <= 20_000
        frames = sent.count(b"\x1b[?2026h")
        assert frames <= 4.5 * took + 3 * 2 * seconds, "four flushes a second, and two frames for each key"
        assert terminal.cpu() - used <= 0.5 * took, "a key finds the loop free more often than not"


def test_a_log_of_a_thousand_lines_a_second_stays_under_20_kilobytes() -> None:
    with kronkeep("log", 80, 24, start="runs", theme="terminal") as terminal:
        terminal.wait_for(b"pg-wal-hourly")
        terminal.settle()
        terminal.type(b"\r")
        terminal.wait_for(b"lines, following")
        began = time.monotonic()
        sent = b""
        while time.monotonic() - began < 3:
            sent += terminal.read_for(0.5).data
        assert sent, "the log goes on"
        assert len(sent) / (time.monotonic() - began) <= 20_000
        terminal.type(b"q")
        terminal.process.wait(20)
