"""End-to-end tests of restores: real socket, real cluster over HTTP, real restic."""

import asyncio
import base64
import contextlib
import functools
import os
import signal
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.e2e.restore_site import (
    LONG_NAME,
    assert_each_name_can_be_selected,
    back_up,
    describe_folder,
    fill_claim,
    fill_with_unshowable_names,
    wait_until_ended,
)
from tests.waiting import eventually

from kronkeep_common import errors, path_text
from kronkeep_common.client import Client
from kronkeep_common.errors import NameTaken
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    CronJobCreate,
    Encryption,
    RestoreRequest,
    RestoreTarget,
    SecretKeyRef,
    VolumeMount,
)
from kronkeep_daemon.kube import paths


class RestoreSite(NamedTuple):
    """A CronJob `job` with a policy; its claim `data` is the folder `claim`."""

    daemon: Daemon
    client: Client
    claim: Path

    def folder(self, claim: str, namespace: str = "default") -> Path:
        return self.claim.parents[1] / namespace / claim


@pytest.fixture
async def site(daemon: Daemon, client: Client, storage: Path, claim: Path) -> RestoreSite:
    await client.cronjobs.create(
        CronJobCreate(
            name="job",
            image="busybox:1.36",
            command=("true",),
            schedule="0 2 29 2 *",
            volumes=(VolumeMount(claim="data", mount_path="/data"),),
            policy=BackupPolicySpec(storage_id="vault"),
        )
    )
    fill_claim(claim, "one")
    return RestoreSite(daemon, client, claim)


async def test_old_and_new_come_back_byte_for_byte_and_what_is_in_the_way_is_refused(
    site: RestoreSite,
) -> None:
    client = site.client
    old = await back_up(client)
    first = describe_folder(site.claim)
    fill_claim(site.claim, "two")
    (site.claim / "later").write_text("x")
    new = await back_up(client)
    second = describe_folder(site.claim)
    for backup, expected, name in ((old, first, "old"), (new, second, "new")):
        request = RestoreRequest(target=RestoreTarget(kind="new-claim", claim=name))
        plan = await client.backups.plan_restore(backup.id, request)
        assert (plan.files, plan.written, plan.overwritten, plan.refusal) == (
            len(expected) - 1,
            len(expected) - 1,
            0,
            None,
        )
        newer = new.id if backup.id == old.id else None
        assert (plan.snapshot_at, plan.newer_backup_id) == (backup.created_at, newer)
        begun = await client.backups.restore(backup.id, request)
        assert (begun.snapshot_at, begun.newer_backup_id) == (backup.created_at, newer)
        done = await wait_until_ended(client, begun)
        assert (done.status, done.reason) == ("completed", None), done
        assert describe_folder(site.folder(name)) == expected
        assert done.files_total == len(expected) - 1
    taken = RestoreRequest(target=RestoreTarget(kind="new-claim", claim="old"))
    for ask in (client.backups.plan_restore, client.backups.restore):
        with pytest.raises(NameTaken, match=r"There is a claim default/old already\."):
            await ask(old.id, taken)
    full = RestoreRequest(target=RestoreTarget(kind="claim", claim="old"))
    plan = await client.backups.plan_restore(new.id, full)
    assert (plan.overwritten, plan.left, plan.refusal) == (
        len(first) - 1,
        0,
        "The target holds files: allow it with overwrite.",
    )
    refused = await wait_until_ended(client, await client.backups.restore(new.id, full))
    assert (refused.status, refused.reason) == ("failed", "InvalidRequest")
    assert describe_folder(site.folder("old")) == first
    below = RestoreRequest(
        target=RestoreTarget(kind="claim", claim="old", path="sub/dir"),
        include=("/source/data/odd dir/*[x]?\\", "/source/data/odd dir/new\nline"),
    )
    done = await wait_until_ended(client, await client.backups.restore(new.id, below))
    assert done.status == "completed", (done.reason, done.message)
    assert set(describe_folder(site.folder("old") / "sub/dir")) == {
        "odd dir",
        "odd dir/*[x]?\\",
        "odd dir/new\nline",
    }
    await client.close()


async def test_a_snapshot_is_browsed_folder_by_folder(site: RestoreSite) -> None:
    backup = await back_up(site.client)
    top = await site.client.backups.files(backup.id, "/source/data")
    assert [(f.name, f.kind) for f in top.items] == [
        ("odd dir", "dir"),
        ("empty", "file"),
        ("hard", "file"),
        ("link", "symlink"),
        ("program", "file"),
    ]
    odd = site.claim / "odd dir"
    assert (top.items[0].files, top.items[0].size) == (7, sum(f.stat().st_size for f in odd.iterdir()))
    page = await site.client.backups.files(backup.id, "/source/data/odd dir", limit=3)
    rest = await site.client.backups.files(
        backup.id, "/source/data/odd dir", limit=10, cursor=page.next_cursor
    )
    assert [f.name for f in (*page.items, *rest.items)] == sorted(
        path_text.escape(f.name) for f in odd.iterdir()
    )
    with pytest.raises(errors.PathNotFound):
        await site.client.backups.files(backup.id, "/source/nowhere")
    entries = (await site.client.audit()).items
    reads = [each.method for each in entries if each.object.get("id") == backup.id and "files" in each.route]
    assert reads == ["GET"], "one Job, one line"


async def test_names_that_cannot_be_shown_are_selected_and_restored(site: RestoreSite) -> None:
    fill_with_unshowable_names(site.claim)
    backup = await back_up(site.client)
    await assert_each_name_can_be_selected(site.client, backup, site.claim)
    verified = await site.client.backups.verify(backup.id)
    assert verified.verified_at is not None


async def test_in_place_is_confirmed_and_the_cronjob_rests_meanwhile(site: RestoreSite) -> None:
    client = site.client
    backup = await back_up(client)
    first = describe_folder(site.claim)
    (site.claim / "program").write_text("broken")
    (site.claim / "odd dir" / "a file").unlink()
    (site.claim / "mine").write_text("stays")
    request = RestoreRequest(target=RestoreTarget(kind="in-place"), suspend=True)
    plan = await client.backups.plan_restore(backup.id, request)
    assert plan.confirm == "job"
    assert plan.refusal == (
        "In place needs the name as confirmation: job. The target holds files: allow it with overwrite."
    )
    assert plan.needs == ("confirm", "overwrite")
    assert "data:/program" in plan.overwritten_examples
    assert (plan.written, plan.left_examples) == (1, ("data:/mine",))
    argv = ("restore", backup.id, "--in-place", "--dry-run")
    told = await asyncio.to_thread(run_kronkeep, site.daemon, *argv)
    assert (told.returncode, told.stdout.splitlines()[-1]) == (1, "To permit it add: --yes job --overwrite")
    assert "  overwritten  data:/program\n" in told.stdout
    with pytest.raises(errors.ConfirmationMissing):
        await client.backups.restore(backup.id, request)
    yes = RestoreRequest(target=request.target, suspend=True, overwrite=True, confirm="job")
    started = await client.backups.restore(backup.id, yes)
    with pytest.raises(errors.NotAllowedNow, match="has not ended"):
        await client.backups.restore(backup.id, yes)
    done = await wait_until_ended(client, started)
    assert done.status == "completed", (done.reason, done.message)
    after = describe_folder(site.claim)
    assert after.pop("mine")[-1] == b"stays"
    assert after == first
    job = await eventually(lambda: client.cronjobs.get("default", "job"), lambda c: not c.suspended)
    assert not job.suspended
    cluster = await site.daemon.cluster()
    secrets, _ = await cluster.list(paths.secrets("default"))
    await cluster.close()
    assert [s["metadata"]["name"] for s in secrets if "restore" in s["metadata"]["name"]] == []


async def test_what_has_another_type_now_is_announced_and_replaced(site: RestoreSite) -> None:
    client = site.client
    claim = site.claim
    for folder in ("folder", "linked"):
        (claim / folder).mkdir()
        (claim / folder / "inner").write_text("archived")
    (claim / "file").write_text("archived")
    (claim / "link to file").symlink_to("file")
    backup = await back_up(client)
    archived = describe_folder(claim)
    (claim / "elsewhere").mkdir()
    (claim / "elsewhere" / "mine").write_text("stays")
    (claim / "file").unlink()
    (claim / "file").mkdir()
    (claim / "file" / "gone").write_text("goes")
    for folder in ("folder", "linked"):
        (claim / folder / "inner").unlink()
        (claim / folder).rmdir()
    (claim / "folder").write_text("a file now")
    (claim / "linked").symlink_to("elsewhere")
    (claim / "link to file").unlink()
    (claim / "link to file").mkdir()
    request = RestoreRequest(target=RestoreTarget(kind="in-place"), overwrite=True, confirm="job")
    plan = await client.backups.plan_restore(backup.id, request)
    assert (plan.refusal, plan.removed_examples, plan.left) == (None, ("data:/file/gone",), 1)
    assert set(plan.type_change_examples) == {
        "data:/file: a folder becomes a file",
        "data:/folder: a file becomes a folder",
        "data:/linked: a link becomes a folder",
        "data:/link to file: a folder becomes a link",
    }
    done = await wait_until_ended(client, await client.backups.restore(backup.id, request))
    assert (done.status, done.reason, done.warnings) == ("completed", None, ())
    after = describe_folder(claim)
    assert after.pop("elsewhere/mine")[-1] == b"stays"
    del after["elsewhere"]
    assert after == archived
    await client.close()


async def test_a_cancelled_restore_leaves_the_target_as_it_was(site: RestoreSite) -> None:
    client = site.client
    (site.claim / "large").write_bytes(os.urandom(100_000_000))
    backup = await back_up(client)
    (site.claim / "program").write_text("changed since")
    before = describe_folder(site.claim)
    request = RestoreRequest(target=RestoreTarget(kind="in-place"), overwrite=True, confirm="job")
    started = await client.backups.restore(backup.id, request)
    stage = site.claim / f".kronkeep-restore-{started.id}"

    async def has_stage() -> bool:
        return stage.exists()

    await eventually(has_stage, bool)
    cancelled = await client.restores.cancel(started.id)
    assert (cancelled.status, cancelled.reason) == ("failed", "Cancelled")
    await eventually(functools.partial(client.restores.get, started.id), lambda r: r.warnings == ())
    assert describe_folder(site.claim) == before


@pytest.mark.torture
async def test_a_pod_killed_while_it_moves_files_is_followed_by_one_that_finishes(site: RestoreSite) -> None:
    client = site.client
    for number in range(4000):
        (site.claim / f"{number} {'long ' * 40}").write_text(str(number))
    backup = await back_up(client)
    archived = describe_folder(site.claim)
    for number in range(4000):
        (site.claim / f"{number} {'long ' * 40}").write_text("changed since")
    request = RestoreRequest(target=RestoreTarget(kind="in-place"), overwrite=True, confirm="job")
    started = await client.backups.restore(backup.id, request)
    replaced = site.claim / f".kronkeep-old-{started.id}" / "replaced"

    async with asyncio.timeout(120):
        while not replaced.exists() or not next(replaced.iterdir(), None):  # noqa: ASYNC110
            await asyncio.sleep(0.001)  # the move takes less than a second
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = process.read_bytes().split(b"\0")
            if (
                words[1:2] == [b"-c"]
                and words[4:5] == [b"move"]
                and os.fsencode(replaced.parent.name) in words[-2]
            ):
                os.kill(int(process.parent.name), signal.SIGKILL)
    done = await wait_until_ended(client, started)
    assert (done.status, done.attempt, done.warnings) == ("completed", 2, ())
    assert describe_folder(site.claim) == archived


async def test_killed_in_each_state_it_ends_true_and_the_cronjob_runs_again(site: RestoreSite) -> None:
    (site.claim / "large").write_bytes(os.urandom(20_000_000))
    backup = await back_up(site.client)
    first = describe_folder(site.claim)
    request = RestoreRequest(
        target=RestoreTarget(kind="in-place"), overwrite=True, suspend=True, confirm="job"
    )
    await site.client.close()
    seen = []
    for state in ("pending", "preparing", "restoring", "verifying"):
        (site.claim / "program").write_text("broken")
        async with site.daemon.client() as client:
            seq = (await client.snapshot()).seq
            started = await client.backups.restore(backup.id, request)
            async for event in client.events(seq, tables=["restores"]):
                status = (event.record or {})["status"]
                if status in (state, "completed", "failed"):
                    break
            await site.daemon.kill()
        seen.append(status)
        await site.daemon.start()
        async with site.daemon.client() as client:
            done = await wait_until_ended(client, started)
            assert (done.status, done.reason) == ("completed", None), (state, done)
            await eventually(lambda: client.cronjobs.get("default", "job"), lambda c: not c.suspended)
            await eventually(functools.partial(client.restores.get, started.id), lambda r: not r.suspended)
        assert describe_folder(site.claim) == first
    assert seen == ["pending", "preparing", "restoring", "verifying"]


async def download(client: Client, backup: BackupExecution, path: str) -> bytes:
    return b"".join([chunk async for chunk in client.backups.download(backup.id, path)])


async def test_a_file_is_downloaded_as_it_was_or_not_at_all(site: RestoreSite) -> None:
    client = site.client
    odd = "odd dir/*[x]?\\"
    large = site.claim / "large"
    large.write_bytes(os.urandom(3_000_000))
    (site.claim / "huge").touch()
    os.truncate(site.claim / "huge", 40 * 1024 * 1024)
    backup = await back_up(client)
    for name in ("large", "empty", odd, "odd dir/new\nline", f"odd dir/{LONG_NAME}"):
        assert await download(client, backup, f"/source/data/{name}") == (site.claim / name).read_bytes()
    for name, error in (
        ("huge", errors.FileTooLarge),
        ("link", errors.InvalidRequest),
        ("odd dir", errors.InvalidRequest),
        ("none", errors.PathNotFound),
    ):
        with pytest.raises(error):
            await download(client, backup, f"/source/data/{name}")
    reading = client.backups.download(backup.id, "/source/data/large")
    await anext(reading)
    await reading.aclose()
    cluster = await site.daemon.cluster()

    async def list_download_jobs() -> list[str]:
        jobs, _ = await cluster.list(paths.jobs("kronkeep"))
        return [job["metadata"]["name"] for job in jobs if "-file-" in job["metadata"]["name"]]

    await eventually(list_download_jobs, lambda names: names == [])
    await cluster.close()


async def test_a_policy_s_own_key_opens_its_own_repository_and_a_wrong_one_does_not(
    site: RestoreSite,
) -> None:
    client = site.client
    cluster = await site.daemon.cluster()
    body = {"metadata": {"name": "own"}, "data": {"password": base64.b64encode(b"mine").decode()}}
    await cluster.create(paths.secrets("default"), body)
    own = Encryption(key=SecretKeyRef(secret="own"))
    await client.cronjobs.set_policy("default", "job", BackupPolicySpec(storage_id="vault", encryption=own))
    backup = await back_up(client)
    first = describe_folder(site.claim)
    assert {f.name for f in (await client.backups.files(backup.id, "/source/data")).items} >= {
        "program",
        "odd dir",
    }
    request = RestoreRequest(target=RestoreTarget(claim="new"))
    done = await wait_until_ended(client, await client.backups.restore(backup.id, request))
    assert (done.status, done.reason) == ("completed", None), done
    assert describe_folder(site.folder("new")) == first
    wrong = {"data": {"password": base64.b64encode(b"other").decode()}}
    await cluster.patch(paths.secrets("default", "own"), wrong)
    await cluster.close()
    with pytest.raises(errors.VerificationFailed, match="password"):
        await client.backups.verify(backup.id)
