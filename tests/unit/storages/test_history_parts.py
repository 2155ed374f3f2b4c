"""The history on its way into a pod: parts that make the whole again, and a limit."""

import gzip
from pathlib import Path

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import ReadOnlyHistory, StorageFailed
from kronkeep_daemon.history import History
from kronkeep_daemon.restic import history_copy
from kronkeep_daemon.storages import history_parts


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A folder with a history of some facts."""
    history = await History.open(tmp_path / "history", clock=SystemClock())
    for number in range(50):
        history.facts.set(f"fact-{number}", SystemClock().now(), name="x" * 200)
    await history.commit()
    await history.close()
    return tmp_path / "history"


def test_the_parts_in_the_order_of_their_folders_are_the_database(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_parts, "PART_BYTES", 300)
    copy = history_parts.make_copy(folder, tmp_path / "scratch")
    names = [f"secret-{number}" for number in range(copy.parts)]
    mounts = history_parts.mounts_of(names)
    volumes = {volume["name"]: volume for volume in history_parts.volumes_of(names, 0o400)}
    parts = dict(zip(names, history_parts.read_parts(copy), strict=True))
    assert len(parts) > 10
    sorted_mounts = sorted(mounts, key=_path_of)
    secrets = [volumes[mount["name"]]["secret"]["secretName"] for mount in sorted_mounts]
    whole = b"".join(parts[name] for name in secrets)
    assert len(whole) == copy.length
    assert b"fact-49" in gzip.decompress(whole)
    assert copy.sequence > 0


def _path_of(mount: dict[str, str]) -> str:
    return mount["mountPath"]


def test_a_history_that_is_too_large_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_parts, "PART_BYTES", 3)
    with pytest.raises(StorageFailed, match="larger than"):
        history_parts.make_copy(folder, tmp_path / "scratch")


def test_a_disk_that_is_full_is_said(folder: Path, tmp_path: Path) -> None:
    """The copy of the database still fits, its compressed one does not."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / history_copy.FILE).symlink_to("/dev/full")
    with pytest.raises(ReadOnlyHistory):
        history_parts.make_copy(folder, scratch)
