"""The verbs of a snapshot: files, download, restore, verify, drill, get restores."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorageCreate,
    CronJobCreate,
    Drill,
    VolumeMount,
)
from kronkeep_daemon.kube import paths


class Made(NamedTuple):
    """A daemon with one good backup of the CronJob `job`, and its claim's folder."""

    daemon: Daemon
    backup: str
    claim: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    daemon = Daemon(tmp_path_factory.mktemp("r") / "s")

    async def fill() -> str:
        await daemon.start()
        cluster = await daemon.cluster()
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await cluster.create(paths.claims("default"), {"metadata": {"name": "data"}, "spec": spec})
        await cluster.close()
        vault = daemon.state.parent / "vault"
        await daemon.prepare_storage("vault", vault)
        async with daemon.client() as client:
            storage = BackupStorageCreate(
                layout="shared",
                id="vault",
                kind="local",
                settings={"path": str(vault)},
                namespaces=("default",),
            )
            await client.storages.create(storage)
            await eventually(lambda: client.storages.get("vault"), lambda s: s.status == "active")
            await client.cronjobs.create(
                CronJobCreate(
                    name="job",
                    image="busybox",
                    command=("sh", "-c", "echo hello > /data/file; echo > '/data/\x1b[31mred'"),
                    schedule="0 2 29 2 *",
                    volumes=(VolumeMount(claim="data", mount_path="/data"),),
                    policy=BackupPolicySpec(storage_id="vault", drill=Drill(schedule="0 3 29 2 *")),
                )
            )
            run = await client.cronjobs.trigger("default", "job")
            backup = await eventually(
                lambda: client.backups.get(run.backup_id or ""), lambda b: b.status == "succeeded"
            )
            return backup.id

    backup = asyncio.run(fill())
    yield Made(daemon, backup, daemon.state / "cluster" / "node" / "claims" / "default" / "data")
    asyncio.run(daemon.stop())


def test_files_and_download(made: Made, tmp_path: Path) -> None:
    listed = run_kronkeep(made.daemon, "files", made.backup, "/source/data")
    assert listed.returncode == 0, listed.stderr
    assert "file" in listed.stdout
    assert "\x1b" not in listed.stdout
    target = tmp_path / "copy"
    done = run_kronkeep(made.daemon, "download", made.backup, "/source/data/file", "--to", str(target))
    assert (done.returncode, target.read_bytes()) == (0, b"hello\n"), done.stderr
    again = run_kronkeep(made.daemon, "download", made.backup, "/source/data/file", "--to", str(target))
    assert (again.returncode, again.stderr.count("\n")) == (2, 2)
    out = run_kronkeep(made.daemon, "download", made.backup, "/source/data/file", "--to", "-")
    assert out.stdout == "hello\n"
    assert run_kronkeep(made.daemon, "files", made.backup, "/nowhere").returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_restore_is_planned_refused_confirmed_and_waited_for(made: Made) -> None:
    (made.claim / "file").write_text("changed")
    planned = run_kronkeep(made.daemon, "restore", made.backup, "--in-place", "--dry-run")
    assert planned.returncode == 1
    assert "2 overwritten" in planned.stdout
    assert (made.claim / "file").read_text() == "changed"
    refused = run_kronkeep(made.daemon, "restore", made.backup, "--in-place", "--overwrite")
    assert (refused.returncode, "[ConfirmationMissing]" in refused.stderr) == (2, True)
    argv = ("restore", made.backup, "--in-place", "--overwrite", "--yes", "job", "--wait")
    done = run_kronkeep(made.daemon, *argv)
    assert (done.returncode, (made.claim / "file").read_text()) == (0, "hello\n"), done.stderr
    listed = run_kronkeep(made.daemon, "get", "restores", "-o", "json")
    assert [one["status"] for one in json.loads(listed.stdout)][-1] == "completed"
    assert "in place" in run_kronkeep(made.daemon, "get", "restores").stdout


def test_verify_and_drill(made: Made) -> None:
    assert run_kronkeep(made.daemon, "verify", made.backup).returncode == 0
    done = run_kronkeep(made.daemon, "drill", "job", "--wait")
    assert done.returncode == 0, done.stderr
    assert "compared with manifest" in done.stdout
    listed = json.loads(run_kronkeep(made.daemon, "get", "restores", "-o", "json").stdout)
    for one in listed[:2]:
        log = run_kronkeep(made.daemon, "logs", "--restore", one["id"])
        assert log.returncode == 0
        # restic 0.14 writes text, later ones JSON.
        assert "restoring <Snapshot" in log.stdout or '"files_restored"' in log.stdout, log
    none = run_kronkeep(made.daemon, "logs", "--restore", "rs-000000000000")
    assert (none.returncode, "[RestoreNotFound]" in none.stderr) == (1, True), none.stderr


def test_a_cronjob_stands_for_its_newest_run_or_backup(made: Made) -> None:
    def print_of(*argv: str) -> str:
        done = run_kronkeep(made.daemon, *argv)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert made.backup in print_of("describe", "backup", "default/job")
    assert made.backup in print_of("describe", "backup", f"default/{made.backup}")
    assert "cronjob" in print_of("describe", "run", "default/job")
    assert print_of("download", "default/job", "/source/data/file", "-o", "-") == "hello\n"
    assert "file" in print_of("files", "default/job", "/source/data")
    nothing = run_kronkeep(made.daemon, "files", "default/nothing")
    assert nothing.returncode == 1
    assert "There is no backup nothing" in nothing.stderr


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (("suspend", "job"), "suspended", True),
        (("resume", "job", "-n", "default"), "suspended", False),
        (("pin", "default/job"), "pinned", True),
        (("unpin", "default/job"), "pinned", False),
    ],
)
def test_what_a_verb_has_changed_as_json(made: Made, argv: tuple[str, ...], field: str, value: bool) -> None:
    done = run_kronkeep(made.daemon, *argv, "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout).get(field, False) is value


def test_what_can_be_restored_now_and_how(made: Made) -> None:
    done = run_kronkeep(made.daemon, "restorable", "-o", "json")
    (found,) = [each for each in json.loads(done.stdout) if each["cronjob"] == "job"]
    assert found["command"].startswith(f"kronkeep restore {found['id'][:12]} --new-claim job-restored")
    words = found["command"].split()[1:]
    planned = run_kronkeep(made.daemon, *words[:-1], "--dry-run")
    assert planned.returncode == 0, planned.stderr
    table = run_kronkeep(made.daemon, "restorable", "default/job")
    assert table.returncode == 0, table.stderr
    assert found["command"] in table.stdout
    assert run_kronkeep(made.daemon, "restorable", "-n", "nope").returncode == 2
    unknown = run_kronkeep(made.daemon, "restorable", "default/jib")
    assert (unknown.returncode, "default/job" in unknown.stderr) == (1, True), unknown.stderr


def test_get_watches_after_the_list(made: Made) -> None:
    refused = run_kronkeep(made.daemon, "get", "cronjobs", "--watch")
    assert refused.returncode == 2
    assert "executions" in refused.stderr
    command = [sys.executable, "-m", "kronkeep_tui", "--socket", made.daemon.announcement["socket"]]
    with subprocess.Popen(
        [*command, "get", "backups", "-w", "--zone", "utc"], stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        lines = iter(watching.stdout.readline, "")
        assert next(lines).startswith("NAMESPACE")
        while made.backup[:12] not in next(lines):
            pass
        assert run_kronkeep(made.daemon, "backup", "job", "--wait").returncode == 0
        changes = [next(line for line in lines if word in line) for word in ("queued", "succeeded")]
        watching.terminate()
    assert all(re.match(r"2\d{3}-\d\d-\d\dT[0-9:]{8}Z  backups  default/job  ", line) for line in changes)
