"""Run every benchmark group, or one by name: modules `bench_GROUP.py` with `run() -> dict[str,
float]`.

Progress is printed on standard error; the last line of standard output is one JSON object, name -> figure.
"""

import compileall
import importlib
import json
import sys
from pathlib import Path


def list_groups() -> list[str]:
    """Return the names of all groups in alphabetical order."""
    return sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main(only: str | None) -> int:
    """Run the groups and print their figures; return 2 for a group that does not exist."""
    if only and only not in list_groups():
        print(f"there is no group {only}; there are {', '.join(list_groups())}", file=sys.stderr)
        return 2
    for folder in ("common", "daemon", "tui"):
        compileall.compile_dir(folder, quiet=1)  # as pip does when it installs a program
    figures: dict[str, float] = {}
    for group in [only] if only else list_groups():
        print(f"benchmark {group}", file=sys.stderr, flush=True)
        figures |= importlib.import_module(f"benchmarks.bench_{group}").run()
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
