"""Bringing back, end to end: real socket, real cluster over HTTP, real restic."""

import base64
import functools
import os
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common import errors
from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    CronJobCreate,
    Encryption,
    Restore,
    RestoreRequest,
    RestoreTarget,
    SecretKeyRef,
    VolumeMount,
)
from kronkeep_common.states import BACKUP_TRANSITIONS, RESTORE_TRANSITIONS, is_final
from kronkeep_daemon.kube import paths

LONG = "ü" * 127 + "x"  # 255 bytes


def fill(claim: Path, text: str) -> None:
    """Odd names, empty files, links, modes."""
    claim.mkdir(parents=True, exist_ok=True)
    folder = claim / "odd dir"
    folder.mkdir(exist_ok=True)
    for name in ("a file", "new\nline", "*[x]?\\", LONG, "-rf", "ünïcode", "two\n\nlines "):
        (folder / name).write_text(f"{name} {text}")
    (claim / "empty").touch()
    (claim / "program").write_text(text)
    (claim / "program").chmod(0o751)
    folder.chmod(0o700)
    if not (claim / "link").is_symlink():
        (claim / "link").symlink_to("odd dir/a file")
        os.link(claim / "program", claim / "hard")


def picture(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder: kind, mode, bytes or target, which names are one file."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        stat = path.lstat()
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            found[name] = ("dir", stat.st_mode, stat.st_mtime_ns)
        else:
            found[name] = ("file", stat.st_mode, stat.st_mtime_ns, stat.st_nlink, path.read_bytes())
    return found


class Ready(NamedTuple):
    """A CronJob `job` with a policy, whose claim `data` lies at `claim`."""

    daemon: Daemon
    client: Client
    claim: Path

    def folder(self, claim: str, namespace: str = "default") -> Path:
        return self.claim.parents[1] / namespace / claim


@pytest.fixture
async def ready(daemon: Daemon, client: Client, storage: Path, claim: Path) -> Ready:
    await client.cronjobs.create(
        CronJobCreate(
            name="job",
            image="busybox",
            command=("true",),
            schedule="0 2 29 2 *",
            volumes=(VolumeMount(claim="data", mount_path="/data"),),
            policy=BackupPolicySpec(storage_id="vault"),
        )
    )
    fill(claim, "one")
    return Ready(daemon, client, claim)


async def backed_up(client: Client) -> BackupExecution:
    begun = await client.cronjobs.back_up("default", "job")
    backup = await eventually(
        lambda: client.backups.get(begun.id), lambda b: is_final(BACKUP_TRANSITIONS, b.status)
    )
    assert backup.status == "succeeded", backup
    return backup


async def ended(client: Client, restore: Restore) -> Restore:
    return await eventually(
        lambda: client.restores.get(restore.id), lambda r: is_final(RESTORE_TRANSITIONS, r.status)
    )


async def test_old_and_new_come_back_byte_for_byte_and_what_is_in_the_way_is_refused(ready: Ready) -> None:
    client = ready.client
    old = await backed_up(client)
    first = picture(ready.claim)
    fill(ready.claim, "two")
    (ready.claim / "later").write_text("x")
    new = await backed_up(client)
    second = picture(ready.claim)
    for backup, wanted, name in ((old, first, "old"), (new, second, "new")):
        request = RestoreRequest(target=RestoreTarget(kind="new-claim", claim=name))
        plan = await client.backups.plan_restore(backup.id, request)
        assert (plan.files, plan.written, plan.overwritten, plan.refusal) == (
            len(wanted) - 1,
            len(wanted) - 1,
            0,
            None,
        )
        done = await ended(client, await client.backups.restore(backup.id, request))
        assert (done.status, done.reason) == ("completed", None), done
        assert picture(ready.folder(name)) == wanted
        assert done.files_total == len(wanted) - 1
    taken = RestoreRequest(target=RestoreTarget(kind="new-claim", claim="old"))
    again = await ended(client, await client.backups.restore(old.id, taken))
    assert (again.status, again.reason) == ("failed", "NameTaken")
    full = RestoreRequest(target=RestoreTarget(kind="claim", claim="old"))
    plan = await client.backups.plan_restore(new.id, full)
    assert (plan.overwritten, plan.left, plan.refusal) == (
        len(first) - 1,
        0,
        "The target holds files: allow it with overwrite.",
    )
    refused = await ended(client, await client.backups.restore(new.id, full))
    assert (refused.status, refused.reason) == ("failed", "InvalidRequest")
    assert picture(ready.folder("old")) == first
    below = RestoreRequest(
        target=RestoreTarget(kind="claim", claim="old", path="sub/dir"),
        include=("/source/data/odd dir/*[x]?\\", "/source/data/odd dir/new\nline"),
    )
    done = await ended(client, await client.backups.restore(new.id, below))
    assert done.status == "completed", (done.reason, done.message)
    assert set(picture(ready.folder("old") / "sub/dir")) == {
        "odd dir",
        "odd dir/*[x]?\\",
        "odd dir/new\nline",
    }
    await client.close()


async def test_a_snapshot_is_browsed_folder_by_folder(ready: Ready) -> None:
    backup = await backed_up(ready.client)
    top = await ready.client.backups.files(backup.id, "/source/data")
    assert [(f.name, f.kind) for f in top.items] == [
        ("odd dir", "dir"),
        ("empty", "file"),
        ("hard", "file"),
        ("link", "symlink"),
        ("program", "file"),
    ]
    odd = ready.claim / "odd dir"
    assert (top.items[0].files, top.items[0].size) == (7, sum(f.stat().st_size for f in odd.iterdir()))
    page = await ready.client.backups.files(backup.id, "/source/data/odd dir", limit=3)
    rest = await ready.client.backups.files(
        backup.id, "/source/data/odd dir", limit=10, cursor=page.next_cursor
    )
    assert [f.name for f in (*page.items, *rest.items)] == sorted(f.name for f in odd.iterdir())
    with pytest.raises(errors.PathNotFound):
        await ready.client.backups.files(backup.id, "/source/nowhere")


async def test_in_place_is_confirmed_and_the_cronjob_rests_meanwhile(ready: Ready) -> None:
    client = ready.client
    backup = await backed_up(client)
    first = picture(ready.claim)
    (ready.claim / "program").write_text("broken")
    (ready.claim / "odd dir" / "a file").unlink()
    (ready.claim / "mine").write_text("stays")
    request = RestoreRequest(target=RestoreTarget(kind="in-place"), suspend=True)
    plan = await client.backups.plan_restore(backup.id, request)
    assert plan.confirm == "job"
    assert plan.refusal is not None
    assert (plan.written, plan.left_examples) == (1, ("/source/data/mine",))
    with pytest.raises(errors.ConfirmationMissing):
        await client.backups.restore(backup.id, request)
    yes = RestoreRequest(target=request.target, suspend=True, overwrite=True, confirm="job")
    begun = await client.backups.restore(backup.id, yes)
    with pytest.raises(errors.NotAllowedNow, match="has not ended"):
        await client.backups.restore(backup.id, yes)
    done = await ended(client, begun)
    assert done.status == "completed", (done.reason, done.message)
    found = picture(ready.claim)
    assert found.pop("mine")[-1] == b"stays"
    assert found == first
    job = await eventually(lambda: client.cronjobs.get("default", "job"), lambda c: not c.suspended)
    assert not job.suspended
    cluster = await ready.daemon.cluster()
    secrets, _ = await cluster.list(paths.secrets("default"))
    await cluster.close()
    assert [s["metadata"]["name"] for s in secrets if "restore" in s["metadata"]["name"]] == []


async def test_killed_in_each_state_it_ends_true_and_the_cronjob_runs_again(ready: Ready) -> None:
    (ready.claim / "large").write_bytes(os.urandom(20_000_000))
    backup = await backed_up(ready.client)
    first = picture(ready.claim)
    request = RestoreRequest(
        target=RestoreTarget(kind="in-place"), overwrite=True, suspend=True, confirm="job"
    )
    await ready.client.close()
    seen = []
    for state in ("pending", "preparing", "restoring", "verifying"):
        (ready.claim / "program").write_text("broken")
        async with ready.daemon.client() as client:
            seq = (await client.snapshot()).seq
            begun = await client.backups.restore(backup.id, request)
            async for event in client.events(seq, tables=["restores"]):
                status = (event.record or {})["status"]
                if status in (state, "completed", "failed"):
                    break
            await ready.daemon.kill()
        seen.append(status)
        await ready.daemon.start()
        async with ready.daemon.client() as client:
            done = await ended(client, begun)
            assert (done.status, done.reason) == ("completed", None), (state, done)
            await eventually(lambda: client.cronjobs.get("default", "job"), lambda c: not c.suspended)
            await eventually(functools.partial(client.restores.get, begun.id), lambda r: not r.suspended)
        assert picture(ready.claim) == first
    assert seen == ["pending", "preparing", "restoring", "verifying"]


async def fetched(client: Client, backup: BackupExecution, path: str) -> bytes:
    return b"".join([chunk async for chunk in client.backups.download(backup.id, path)])


async def test_a_file_is_downloaded_as_it_was_or_not_at_all(ready: Ready) -> None:
    client = ready.client
    odd = "odd dir/*[x]?\\"
    large = ready.claim / "large"
    large.write_bytes(os.urandom(3_000_000))
    (ready.claim / "huge").touch()
    os.truncate(ready.claim / "huge", 40 * 1024 * 1024)
    backup = await backed_up(client)
    for name in ("large", "empty", odd, "odd dir/new\nline", f"odd dir/{LONG}"):
        assert await fetched(client, backup, f"/source/data/{name}") == (ready.claim / name).read_bytes()
    for name, error in (
        ("huge", errors.FileTooLarge),
        ("link", errors.InvalidRequest),
        ("odd dir", errors.InvalidRequest),
        ("none", errors.PathNotFound),
    ):
        with pytest.raises(error):
            await fetched(client, backup, f"/source/data/{name}")
    reading = client.backups.download(backup.id, "/source/data/large")
    await anext(reading)
    await reading.aclose()
    cluster = await ready.daemon.cluster()

    async def left() -> list[str]:
        jobs, _ = await cluster.list(paths.jobs("kronkeep"))
        return [job["metadata"]["name"] for job in jobs if "-file-" in job["metadata"]["name"]]

    await eventually(left, lambda names: names == [])
    await cluster.close()


async def test_a_policy_s_own_key_opens_its_own_repository_and_a_wrong_one_does_not(ready: Ready) -> None:
    client = ready.client
    cluster = await ready.daemon.cluster()
    body = {"metadata": {"name": "own"}, "data": {"password": base64.b64encode(b"mine").decode()}}
    await cluster.create(paths.secrets("default"), body)
    own = Encryption(key=SecretKeyRef(secret="own"))
    await client.cronjobs.set_policy("default", "job", BackupPolicySpec(storage_id="vault", encryption=own))
    backup = await backed_up(client)
    first = picture(ready.claim)
    assert {f.name for f in (await client.backups.files(backup.id, "/source/data")).items} >= {
        "program",
        "odd dir",
    }
    request = RestoreRequest(target=RestoreTarget(claim="new"))
    done = await ended(client, await client.backups.restore(backup.id, request))
    assert (done.status, done.reason) == ("completed", None), done
    assert picture(ready.folder("new")) == first
    wrong = {"data": {"password": base64.b64encode(b"other").decode()}}
    await cluster.patch(paths.secrets("default", "own"), wrong)
    await cluster.close()
    with pytest.raises(errors.VerificationFailed, match="password"):
        await client.backups.verify(backup.id)
