"""The chart and the overlays, rendered and validated against Kubernetes' schemas: release/check-manifests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
VENV = Path(sys.executable).parents[1]


def test_the_chart_renders_and_is_valid() -> None:
    """Helm and the schemas are installed beside the tests' own packages: 45 s at the first time."""
    environment = {**os.environ, "TOOLS": str(VENV / "check-manifests")}
    command = ["release/check-manifests", str(VENV)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if "No matching distribution" in done.stderr or "No route" in done.stderr:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "chart, defaults: " in done.stdout
