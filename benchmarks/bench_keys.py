"""The time from a key to its answer on the terminal device, idle and while 200 runs per second change."""

import time

from tests.ui.terminal import Terminal, kronkeep

KEYS = 100
INTERVAL = 0.1  # seconds from one key to the next
RATE = 200  # changes per second


def _answer_time(terminal: Terminal, number: int, rate: int) -> float:
    """Return the milliseconds from a key to the cursor on its row.

    Each key comes at another point between two flushes.
    """
    start = time.monotonic()
    terminal.change(int(rate * INTERVAL))
    time.sleep(number * 37 % 90 / 1000)
    pressed = time.monotonic()
    terminal.cursor(b"j" if number % 2 else b"k", number % 2)
    duration = time.monotonic() - pressed
    time.sleep(max(0.0, INTERVAL - (time.monotonic() - start)))
    return 1000 * duration


def measure_keys(rate: int) -> list[float]:
    """Return the milliseconds of every key, sorted; `rate` is the number of changes per second."""
    with kronkeep("busy", 80, 24, start="runs", theme="terminal") as terminal:
        terminal.wait_for(b"pg-sessions")
        terminal.settle()
        return sorted(_answer_time(terminal, number, rate) for number in range(1, KEYS + 1))


def run() -> dict[str, float]:
    """Return the median and 99th percentile in milliseconds, and the busy median to the idle one."""
    idle = measure_keys(0)
    busy = measure_keys(RATE)
    middle = KEYS // 2
    most = KEYS * 99 // 100 - 1
    return {
        "keys_idle_p50_ms": round(idle[middle], 1),
        "keys_idle_p99_ms": round(idle[most], 1),
        "keys_200_changes_p50_ms": round(busy[middle], 1),
        "keys_200_changes_p99_ms": round(busy[most], 1),
        "keys_busy_to_idle_p50": round(busy[middle] / idle[middle], 2),
    }
