"""The same stream of 20,000 Job events through every watcher, in turn, three rounds; and a list of 20,000."""

import json
import statistics
import subprocess
import sys

EVENTS = 20_000
LISTED = 20_000
ROUNDS = 3
READERS = ("kronkeep", "typed", "lightkube", "kr8s", "kopf")


def _read(name: str, listed: int) -> dict[str, float] | None:
    """The figures of one reader on a server of its own; None when it cannot be run here."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.watch_server", str(EVENTS if not listed else 5), str(listed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        port = server.stdout.readline().decode().strip()
        command = [sys.executable, "-m", "benchmarks.watch_readers", name, port, str(EVENTS), str(listed)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            return None
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found
    finally:
        server.kill()
        server.wait()


def run() -> dict[str, float]:
    """CPU of each as a ratio to typed Watch's, events a second as multiples of it, peak memory in MB."""
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in READERS}
    for number in range(ROUNDS):
        for name in READERS:
            if (found := _read(name, 0)) is not None:
                rounds[name].append(found)
                print(f"round {number + 1} {name}: {found['cpu_us']:.1f} us/event", file=sys.stderr)
    middle = {
        name: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for name, found in rounds.items()
        if found
    }
    typed = middle["typed"]
    figures: dict[str, float] = {}
    for name, found in middle.items():
        figures[f"watch_{name}_cpu_to_typed"] = round(found["cpu_us"] / typed["cpu_us"], 3)
        figures[f"watch_{name}_events_to_typed"] = round(found["per_second"] / typed["per_second"], 2)
        figures[f"watch_{name}_peak_mb"] = round(found["peak_mb"], 1)
    for name in ("kronkeep", "typed"):
        if (found := _read(name, LISTED)) is not None:
            figures[f"watch_list_20k_{name}_mb"] = round(found["peak_mb"], 1)
            figures[f"watch_list_20k_{name}_cpu_s"] = round(found["cpu_s"], 2)
    return figures
