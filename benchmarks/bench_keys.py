"""How long a key takes to be answered on the terminal device, idle and while 200 runs a second change."""

import time

from tests.ui.terminal import Terminal, kronkeep

KEYS = 100
EVERY = 0.1  # seconds from one key to the next
RATE = 200  # changes a second


def _answered(terminal: Terminal, number: int, rate: int) -> float:
    """Milliseconds from a key to the cursor on its row, each time at another point between two flushes."""
    began = time.monotonic()
    terminal.change(int(rate * EVERY))
    time.sleep(number * 37 % 90 / 1000)
    pressed = time.monotonic()
    terminal.cursor(b"j" if number % 2 else b"k", number % 2)
    took = time.monotonic() - pressed
    time.sleep(max(0.0, EVERY - (time.monotonic() - began)))
    return 1000 * took


def waits(rate: int) -> list[float]:
    """The milliseconds of every key, sorted."""
    with kronkeep("busy", 80, 24, start="runs", theme="terminal") as terminal:
        terminal.wait_for(b"pg-sessions")
        terminal.settle()
        return sorted(_answered(terminal, number, rate) for number in range(1, KEYS + 1))


def run() -> dict[str, float]:
    """Median and 99th percentile in milliseconds, and the busy median to the idle one."""
    idle = waits(0)
    busy = waits(RATE)
    middle = KEYS // 2
    most = KEYS * 99 // 100 - 1
    return {
        "keys_idle_p50_ms": round(idle[middle], 1),
        "keys_idle_p99_ms": round(idle[most], 1),
        "keys_200_changes_p50_ms": round(busy[middle], 1),
        "keys_200_changes_p99_ms": round(busy[most], 1),
        "keys_busy_to_idle_p50": round(busy[middle] / idle[middle], 2),
    }
