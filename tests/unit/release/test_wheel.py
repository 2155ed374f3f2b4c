"""The wheel as `pipx install` and `uv tool install` get it; release/check-wheel installs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from kronkeep_common.version import VERSION

ROOT = Path(__file__).parents[3]
PACKAGES = {"kronkeep_common", "kronkeep_daemon", "kronkeep_tui"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("common", "daemon", "tui"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=source, env=os.environ | {"PYTHONPATH": ""}, check=True, capture_output=True)
    return ZipFile(next(folder.glob("*.whl")))


def test_it_has_both_programs_and_nothing_of_the_tests(wheel: ZipFile) -> None:
    names = wheel.namelist()
    about = f"kronkeep-{VERSION}.dist-info"
    assert {name.split("/")[0] for name in names} == {*PACKAGES, about}
    programs = wheel.read(f"{about}/entry_points.txt").decode()
    assert "kronkeep = kronkeep_tui.__main__:main" in programs
    assert "kronkeepd = kronkeep_daemon.__main__:main" in programs
    assert all(f"{package}/py.typed" in names for package in PACKAGES)


def test_it_asks_for_the_pythons_that_are_tested(wheel: ZipFile) -> None:
    metadata = wheel.read(f"kronkeep-{VERSION}.dist-info/METADATA").decode()
    assert "Requires-Python: >=3.11" in metadata
    assert f"Version: {VERSION}\n" in metadata
