"""The verbs of a snapshot: files, download, restore, verify, drill, get restores."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.manual_lines import read_manual_lines
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorageCreate,
    CronJobCreate,
    Drill,
    RestoreRequest,
    RestoreTarget,
    VolumeMount,
)
from kronkeep_daemon.kube import paths
from kronkeep_tui.change_requests import ChangeRequests
from kronkeep_tui.shell_commands import (
    ScreenFacts,
    ShellCommand,
    lines_of_change,
    lines_of_manifest,
    lines_of_screen,
    words_of_restore,
)
from kronkeep_tui.store import Store
from kronkeep_tui.views.registry import KINDS


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
                    command=("sh", "-c", "echo hello; echo hello > /data/file; echo > '/data/\x1b[31mred'"),
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
    for to, advised in ((("-o", f"{tmp_path}/data"), f"{tmp_path}/data.tar"), ((), "data.tar")):
        folder = run_kronkeep(made.daemon, "download", made.backup, "/source/data", *to)
        advice = f"kronkeep download {made.backup} /source/data -o {advised}"
        assert (folder.returncode, folder.stdout) == (2, "")
        assert advice in folder.stderr
    words = advice.split()[1:-1]
    assert run_kronkeep(made.daemon, *words, f"{tmp_path}/data.tar").returncode == 0
    (tmp_path / "data.tar").unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_storage_at_the_place_of_another_is_refused_before_it_is_made(made: Made) -> None:
    folder = made.daemon.state.parent / "vault"
    for path in (folder, f"{folder}/"):
        argv = ("storage", "create", "local", "bad", "--path", str(path), "--allow-namespace", "default")
        for words in ((*argv, "--dry-run"), argv):
            refused = run_kronkeep(made.daemon, *words)
            assert refused.returncode == 1, refused.stderr
            assert "The storage vault has its repository there" in refused.stderr
            assert "--password kronkeep-storage-vault" in refused.stderr
    other = ("storage", "create", "local", "other", "--path", f"{folder}2", "--allow-namespace", "default")
    assert run_kronkeep(made.daemon, *other, "--dry-run").returncode == 0


def test_a_restore_is_planned_refused_confirmed_and_waited_for(made: Made) -> None:
    (made.claim / "file").write_text("changed")
    planned = run_kronkeep(made.daemon, "restore", made.backup, "--in-place", "--dry-run")
    assert planned.returncode == 1
    assert "2 overwritten" in planned.stdout
    assert re.search(
        r"^the snapshot of \d\d:\d\dZ, \d+ (seconds?|minutes) ago$", planned.stdout, re.MULTILINE
    )
    assert (made.claim / "file").read_text() == "changed"
    for given, lacking in (
        ((), "--yes job --overwrite."),
        (("--overwrite",), "--yes job."),
        (("--yes", "job"), "--overwrite."),
        (("--yes", "jib", "--overwrite"), "--yes job."),
    ):
        refused = run_kronkeep(made.daemon, "restore", made.backup, "--in-place", *given)
        assert refused.returncode == 2
        assert refused.stderr.endswith(f"\nRepeat the command with {lacking} [ConfirmationMissing]\n")
    for option in ("--new-claim", "--claim"):
        misnamed = run_kronkeep(made.daemon, "restore", made.backup, option, "Bad_Name", "--dry-run")
        assert (misnamed.returncode, "'Bad_Name' is not a claim's name." in misnamed.stderr) == (2, True)
        assert "RFC" not in misnamed.stderr
    taken = run_kronkeep(made.daemon, "restore", made.backup, "--new-claim", "data", "--dry-run")
    assert (taken.returncode, "into that claim with --claim." in taken.stderr) == (1, True)
    argv = ("restore", made.backup, "--in-place", "--overwrite", "--yes", "job", "--wait")
    done = run_kronkeep(made.daemon, *argv)
    assert (done.returncode, (made.claim / "file").read_text()) == (0, "hello\n"), done.stderr
    assert re.match(r"\S+ pending: the snapshot of \d\d:\d\dZ, ", done.stdout), done.stdout
    listed = run_kronkeep(made.daemon, "get", "restores", "-o", "json")
    assert [one["status"] for one in json.loads(listed.stdout)][-1] == "completed"
    assert "in place" in run_kronkeep(made.daemon, "get", "restores").stdout


def test_verify_and_drill(made: Made) -> None:
    assert run_kronkeep(made.daemon, "verify", made.backup, "--wait").returncode == 0
    done = run_kronkeep(made.daemon, "drill", "job", "--wait")
    assert done.returncode == 0, done.stderr
    assert "compared with checksums" in done.stdout
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
    assert "There is no CronJob default/nothing" in nothing.stderr
    assert "file" in print_of("files", "job", "/source/data", "-n", "default")
    assert run_kronkeep(made.daemon, "files", "job", "/", "-n", "kube-system").returncode == 1
    assert made.backup in print_of("get", "backups", "job", "-n", "default")
    assert made.backup in print_of("get", "backups", f"default/{made.backup[:12]}")
    snapshot = json.loads(print_of("get", "backups", made.backup, "-o", "json"))["result"]["snapshot_id"]
    for words in (("describe", "snapshot", snapshot[:8]), ("get", "backups", snapshot[:12])):
        assert made.backup in print_of(*words)
    for verb in ("files", "verify", "pin", "unpin"):
        print_of(verb, snapshot[:8])
    assert print_of("download", snapshot, "/source/data/file", "-o", "-") == "hello\n"
    assert "0 changed" in print_of("diff", snapshot[:8], snapshot[:8])
    assert "1 new" not in print_of("restore", snapshot[:8], "--new-claim", "planned", "--dry-run")


def test_every_kind_that_is_listed_is_described(made: Made) -> None:
    """The restore that a drill made, its policy, storage and alert; what there is none of is said to be."""
    listed = {kind: run_kronkeep(made.daemon, "get", kind, "-o", "name").stdout.split() for kind in DESCRIBED}
    for kind, names in listed.items():
        assert names, kind
        done = run_kronkeep(made.daemon, "describe", kind, names[0])
        assert (done.returncode, done.stdout.count("\n") > 5) == (0, True), (kind, done.stderr)
    restore = run_kronkeep(made.daemon, "describe", "restore", listed["restores"][0][:8]).stdout
    assert "\nbackup:\n" in restore
    assert made.backup in restore
    policy = run_kronkeep(made.daemon, "get", "policies", "job", "-n", "default", "-o", "json")
    assert json.loads(policy.stdout)["cronjob"] == "job"
    assert (
        run_kronkeep(made.daemon, "describe", "policy", json.loads(policy.stdout)["id"][:8]).returncode == 0
    )
    for kind, words in (
        ("copy", "[CopyNotFound]"),
        ("alert", "[AlertNotFound]"),
        ("silence", "[SilenceNotFound]"),
        ("maintenance", "[MaintenanceNotFound]"),
        ("policy", "has no policy"),
        ("manifest", "There is no manifest 'ffff0000'"),
        ("sink", "There is no sink 'ffff0000'"),
    ):
        lacking = run_kronkeep(made.daemon, "describe", kind, "ffff0000")
        assert (lacking.returncode, words in lacking.stderr) == (1, True), lacking.stderr


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


DESCRIBED = ("cronjobs", "executions", "backups", "restores", "storages", "policies")


class ShellContext:
    """What a change needs of the terminal: it keeps its lines for a shell, and sends nothing."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.store = Store()
        self.last_change: tuple[ShellCommand, ...] = ()

    def start_work(self, work: Coroutine[Any, Any, None], name: str) -> None:
        work.close()

    def tell(self, text: str, role: str = "warn") -> None:
        """Say nothing."""


def paste(daemon: Daemon, line: str) -> str:
    """Run a line as pasted into a shell; return what it prints."""
    if line.startswith("kronkeep "):
        done = run_kronkeep(daemon, *shlex.split(line)[1:])
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout
    is_request = line.startswith("curl ")
    environment = os.environ | {
        "KRONKEEP_SOCKET": daemon.announcement["socket"],
        "KUBECONFIG": daemon.announcement["kubeconfig"],
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    argv = ["bash", "-c", line + (" -w '\\n%{http_code}'" if is_request else "")]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment, timeout=240)
    assert ran.returncode == 0, (line, ran.stderr)
    body, _, code = ran.stdout.rpartition("\n") if is_request else (ran.stdout, "", "200")
    assert code.startswith("2"), (line, ran.stdout)
    return body


def test_each_change_runs_as_pasted_in_every_program(made: Made) -> None:
    daemon = made.daemon

    async def make_lines() -> list[tuple[ShellCommand, ...]]:
        async with daemon.client() as client:
            context: Any = ShellContext(client)
            changes = ChangeRequests(context)
            cronjob = await client.cronjobs.get("default", "job")
            backup = await client.backups.get(made.backup)
            storage = await client.storages.get("vault")
            lines = []
            for change in (
                partial(changes.trigger, [cronjob]),
                partial(changes.back_up, [cronjob]),
                partial(changes.toggle_suspension, [cronjob]),
                partial(changes.toggle_suspension, [msgspec.structs.replace(cronjob, suspended=True)]),
                partial(changes.toggle_pin, [backup]),
                partial(changes.toggle_pin, [msgspec.structs.replace(backup, pinned=True)]),
                partial(changes.test_storage, storage),
            ):
                change()
                lines.append(context.last_change)
            for number in range(2):
                to = RestoreTarget(claim=f"pasted-{number}")
                words = words_of_restore(made.backup, RestoreRequest(target=to))
                route = f"/v1/backups/{made.backup}/restore"
                lines.append(lines_of_change(words, route, body=RestoreRequest(target=to))[number:][:1])
            spec = await client.cronjobs.spec("default", "job")
            new = msgspec.structs.replace(spec, name="pasted", policy=None)
            lines.append(lines_of_manifest("CronJob", new, "/v1/cronjobs")[:1])
            delete = msgspec.structs.replace(cronjob, name="pasted")
            changes.delete(delete)
            lines.append(context.last_change[:1])
            return lines

    for line in chain.from_iterable(asyncio.run(make_lines())):
        paste(daemon, line.line)
    assert "pasted" not in run_kronkeep(daemon, "get", "cronjobs", "-o", "name").stdout


def test_each_screen_runs_as_pasted_in_every_program(made: Made) -> None:
    daemon = made.daemon

    async def make_screens() -> list[ScreenFacts]:
        async with daemon.client() as client:
            cronjob = await client.cronjobs.get("default", "job")
            backup = await client.backups.get(made.backup)
            run = (await client.runs.list(limit=1)).items[0]  # Kubernetes has its Job still
            restore = await client.backups.restore(
                made.backup, RestoreRequest(target=RestoreTarget(claim="seen"))
            )
            await eventually(lambda: client.restores.get(restore.id), lambda one: one.status == "completed")
        arguments = {
            "run": run.id,
            "events": run.id,
            "compare": f"{run.id} {run.id}",
            "history": cronjob.id,
            "files": f"{made.backup} /source/data",
            "preview": f"{made.backup} /source/data/file",
            "diff": f"{made.backup} {made.backup}",
            "restore_page": restore.id,
            "restore_log": restore.id,
            "retention": f"default/job {backup.policy_id}",
            "removals": "vault",
            "orphans": "vault",
            "log_search": "hello",
            "night": "2026-01-01T00:00:00Z 2026-01-02T00:00:00Z",
            "yaml": f"cronjob default/job@{cronjob.cluster}",
        }
        subjects = {"run": run, "events": run, "history": cronjob}
        screens = [ScreenFacts(kind, arguments.get(kind, ""), subject=subjects.get(kind)) for kind in KINDS]
        yaml = (f"execution {run.id}", f"manifest {run.id}", f"backup {made.backup}", "storage vault")
        screens += [ScreenFacts("yaml", argument, subject=run) for argument in yaml]
        screens.append(ScreenFacts("runs", cronjob.id, subject=cronjob))
        return [*screens, *(ScreenFacts(kind, namespace="default") for kind in ("jobs", "runs", "coverage"))]

    pasted = {}
    for screen in asyncio.run(make_screens()):
        for line in lines_of_screen(screen):
            if line.line not in pasted:
                pasted[line.line] = paste(daemon, line.line)
    assert pasted[f"kronkeep download {made.backup} /source/data/file -o -"] == "hello\n"
    assert "seen" in pasted["kronkeep get restores"]
    assert len(pasted) > 50


# Words of README and docs, and what they are in the daemon of these tests.
SUBSTITUTES = (
    ("shop/db-dump", "default/job"),
    ("/source/shop-data/shop.sql", "/source/data/file"),
    ("/source/shop-data/conf", "/source/data/file"),
    ("/source/shop-data", "/source/data"),
    ("other-site", "vault"),
    ("offsite", "vault"),
    ("ns:shop", "ns:default"),
    ("ns:pay", "ns:default"),
)
WHOLE_WORDS = {"shop": "default", "BACKUP": "", "OLDER": "", "NEWER": "", "ID": "", "db-dump": "job"}
READING = re.compile(
    r"(get|coverage|describe|doctor|restorable|files|diff|find|report|timeline|schedule|logs --backup"
    r"|retention \S+( --keep-daily 5)?$|storage (usage|repositories|orphans))"
)


def test_lines_of_readme_and_docs_run_as_pasted(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines that read; what those that start something do is in the other tests."""
    monkeypatch.chdir(tmp_path)
    ran = 0
    for line in read_manual_lines():
        words = [replace_words(word, made.backup) for word in line.words]
        text = " ".join(words)
        if READING.match(text) is None or "--sign-key" in words or words[:2] == ["report", "verify"]:
            continue
        if "--from-copy" in words or "sinks" in words:
            continue
        done = run_kronkeep(made.daemon, *words)
        allowed = (0, 1) if "--check" in words or words[:2] in (["schedule", "check"], ["doctor"]) else (0,)
        assert done.returncode in allowed, (line.place, text, done.stderr)
        ran += 1
    assert ran > 25


def replace_words(word: str, backup: str) -> str:
    for written, there in SUBSTITUTES:
        word = word.replace(written, there)
    return (WHOLE_WORDS[word] or backup) if word in WHOLE_WORDS else word


def test_a_storage_with_the_only_snapshots_is_forgotten_by_their_number_alone(made: Made) -> None:
    """The last test of the module: it takes its CronJob and its storage away."""
    used = run_kronkeep(made.daemon, "storage", "delete", "vault", "--yes", "vault")
    assert (used.returncode, "[StorageInUse]" in used.stderr) == (1, True)
    assert run_kronkeep(made.daemon, "delete", "job", "--yes", "job").returncode == 0
    refused = run_kronkeep(made.daemon, "storage", "delete", "vault", "--yes", "vault")
    assert (refused.returncode, "[ConfirmationMissing]" in refused.stderr) == (2, True), refused.stderr
    advised = re.search(
        r"(\d+) snapshots? and 0 copies are only in .*--only-here (\d+)", refused.stderr, re.S
    )
    assert advised is not None, refused.stderr
    assert advised[1] == advised[2]
    argv = ("storage", "delete", "vault", "--yes", "vault", "--only-here")
    assert run_kronkeep(made.daemon, *argv, str(int(advised[1]) + 1)).returncode == 2
    assert run_kronkeep(made.daemon, *argv, advised[1]).returncode == 0
    assert "It was deleted here" in run_kronkeep(made.daemon, "doctor").stdout
