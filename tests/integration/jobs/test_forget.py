"""What is forgotten by an id from a log, with the restic of this machine in both userlands."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.quick_repository import write_quick_repository

from kronkeep_daemon.restic import forget
from kronkeep_daemon.restic.command_line import complete
from kronkeep_daemon.restic.snapshots import SnapshotTags

pytestmark = pytest.mark.skipif(shutil.which("restic") is None, reason="needs restic")
RESTIC = shutil.which("restic") or ""


@pytest.mark.parametrize("userland", ["busybox", "gnu"])
def test_an_id_is_forgotten_only_where_it_has_the_tags_of_the_backup(tmp_path: Path, userland: str) -> None:
    path = os.environ["PATH"]
    if userland == "busybox":
        subprocess.run(["mkdir", tmp_path / "applets"], check=True)
        subprocess.run(["busybox", "--install", "-s", tmp_path / "applets"], check=True)
        path = str(tmp_path / "applets")
    environment = {
        "PATH": path,
        "RESTIC_REPOSITORY": str(tmp_path / "repository"),
        "RESTIC_PASSWORD": "secret",
        "RESTIC_CACHE_DIR": str(tmp_path / "cache"),
    }

    def run(argv: list[str]) -> subprocess.CompletedProcess[bytes]:
        whole = complete(argv, program=RESTIC, options=("--option", "local.connections=2"))
        return subprocess.run(["/usr/bin/env", *whole], env=environment, capture_output=True, timeout=60)

    def list_ids() -> dict[str, str]:
        listed = json.loads(run(["restic", "snapshots", "--json"]).stdout)
        return {each["paths"][0].rpartition("/")[2]: each["id"] for each in listed}

    write_quick_repository(tmp_path / "repository", "secret")
    owners = {"own": ("p", "b1"), "others": ("p", "b2"), "elsewhere": ("p2", "b1"), "strange": ("", "")}
    for name, (policy, backup) in owners.items():
        # The name of a file is in the list, too, and proves nothing.
        (tmp_path / name).write_text(name)
        tags = SnapshotTags(policy=policy, run="r", backup=backup).texts() if policy else ["mine"]
        options = [word for tag in tags for word in ("--tag", tag)]
        assert run(["restic", "backup", *options, "--", str(tmp_path / name)]).returncode == 0
    ids = list_ids()
    own = SnapshotTags(policy="p", run="", backup="b1")
    for name in ("others", "elsewhere", "strange"):
        refused = run(forget.own_argv(ids[name][:8], own))
        assert refused.returncode == 1
        assert b"so it stays" in refused.stdout
    assert list_ids() == ids
    assert run(forget.own_argv(ids["own"][:8], own)).returncode == 0
    assert set(list_ids()) == {"others", "elsewhere", "strange"}
