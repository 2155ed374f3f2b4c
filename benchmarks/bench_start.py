"""What a start costs: imports as whole processes, against an interpreter that does nothing."""

import subprocess
import sys
import time

ROUNDS = 5
PROGRAMS = {
    "python": "pass",
    "kronkeep_cli": "import kronkeep_tui.cli.main as m; m.parser()",
    "kronkeep_client": "import kronkeep_common.client",
    "kronkeep_terminal": "import kronkeep_tui.app",
    "textual": "import textual.app",
    "kronkeepd": "import kronkeep_daemon.app",
}


def seconds(program: str) -> float:
    """The best of some processes."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        best = min(best, time.perf_counter() - began)
    return best


def run() -> dict[str, float]:
    """Ratios of each import to the bare interpreter, and of the terminal's to Textual's own."""
    found = {name: seconds(program) for name, program in PROGRAMS.items()}
    figures = {
        f"start_{name}_to_python": round(found[name] / found["python"], 1)
        for name in found
        if name != "python"
    }
    figures["start_terminal_to_textual"] = round(found["kronkeep_terminal"] / found["textual"], 2)
    return figures
