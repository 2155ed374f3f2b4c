"""The same 20,000 Job events through every watch client in turn, in three rounds; and a list of 20,000."""

import json
import statistics
import subprocess
import sys

EVENTS = 20_000
LISTED = 20_000
ROUNDS = 3
CLIENTS = ("kronkeep", "typed", "lightkube", "kr8s", "kopf")


def _run_client(name: str, listed: int) -> dict[str, float] | None:
    """Return the figures of one client on a server of its own, None where it cannot run here."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.watch_server", str(EVENTS if not listed else 5), str(listed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        port = server.stdout.readline().decode().strip()
        command = [sys.executable, "-m", "benchmarks.watch_clients", name, port, str(EVENTS), str(listed)]
        completed = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if completed.returncode:
            print(f"{name}: {completed.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            return None
        figures: dict[str, float] = json.loads(completed.stdout.splitlines()[-1])
        return figures
    finally:
        server.kill()
        server.wait()


def run() -> dict[str, float]:
    """Return CPU and events per second of each client to those of the typed Watch, and peak memory in MB."""
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in CLIENTS}
    for number in range(ROUNDS):
        for name in CLIENTS:
            if (measured := _run_client(name, 0)) is not None:
                rounds[name].append(measured)
                print(f"round {number + 1} {name}: {measured['cpu_us']:.1f} us/event", file=sys.stderr)
    medians = {
        name: {key: statistics.median(figures[key] for figures in measured) for key in measured[0]}
        for name, measured in rounds.items()
        if measured
    }
    typed = medians["typed"]
    figures: dict[str, float] = {}
    for name, median in medians.items():
        figures[f"watch_{name}_cpu_to_typed"] = round(median["cpu_us"] / typed["cpu_us"], 3)
        figures[f"watch_{name}_events_to_typed"] = round(median["per_second"] / typed["per_second"], 2)
        figures[f"watch_{name}_peak_mb"] = round(median["peak_mb"], 1)
    for name in ("kronkeep", "typed"):
        if (measured := _run_client(name, LISTED)) is not None:
            figures[f"watch_list_20k_{name}_mb"] = round(measured["peak_mb"], 1)
            figures[f"watch_list_20k_{name}_cpu_s"] = round(measured["cpu_s"], 2)
    return figures
