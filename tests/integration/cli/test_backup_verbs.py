"""The verbs of what is kept: backup, logs, pin, unpin, retention, storage prune."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.command_line import run_kronkeep
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site
from tests.waiting import eventually

from kronkeep_common.models import BackupPolicySpec, ClaimSource, Retention, Source


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("keeping"), DEBIAN_RESTIC) as running:
        yield running


def said(done: CompletedProcess[str], code: int = 0) -> str:
    """What a verb that ended with `code` printed, errors too."""
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "data").rglob("*") if path.is_file())


async def test_a_backup_is_compressed_as_asked_and_its_log_is_shown(place: BackupSite) -> None:
    folder = await place.create_storage("pressed")
    data = await place.create_claim("pressed")
    (data / "file").write_bytes(os.urandom(100) * 4000)
    async with place.client() as client:
        await place.create_cronjob(client, "pressed", "pressed", "pressed")
        text = said(run_kronkeep(place.daemon, "backup", "pressed", "--compression", "off", "--wait"))
        backup_id = text.split()[0]
        assert (await client.backups.get(backup_id)).overrides == {"compression": "off"}
        assert size(folder) > 400_000
        assert "restic 0." in said(run_kronkeep(place.daemon, "logs", "--backup", backup_id))
        assert "Not" in said(run_kronkeep(place.daemon, "logs", "--backup", "000000000000"), 1)
        assert "not allowed with" in said(run_kronkeep(place.daemon, "logs", "--backup", "-f", backup_id), 2)


async def test_what_goes_is_shown_approved_and_its_space_given_back(place: BackupSite) -> None:
    folder = await place.create_storage("going")
    data = await place.create_claim("going")
    made = []
    async with place.client() as client:
        await place.create_cronjob(client, "going", "going", "going", retention=Retention(days=30))
        for _ in range(5):
            (data / "file").write_bytes(os.urandom(300_000))
            made.append((await place.back_up(client, "going")).id)
        assert "is pinned" in said(run_kronkeep(place.daemon, "pin", made[0]))
        assert (await client.backups.get(made[0])).pinned
        tried = said(run_kronkeep(place.daemon, "retention", "going", "--keep-last", "2"))
        assert re.findall(r"^remove (\w+)", tried, re.MULTILINE) == [made[2][:12], made[1][:12]]
        assert re.findall(r"^keep +(\w+)", tried, re.MULTILINE) == [
            one[:12] for one in (made[4], made[3], made[0])
        ]
        assert "pinned by hand\n2 would go, 3 stay\n" in tried
        refused = said(run_kronkeep(place.daemon, "retention", "going", "--keep-last", "2", "--apply"), 2)
        assert "Rules can only be tried" in refused
        source = Source(claims=(ClaimSource(claim="going"),))
        kept = BackupPolicySpec(
            storage_id="going", source=source, retries=0, retention=Retention(keep_last=2)
        )
        await client.cronjobs.set_policy("default", "going", kept)
    shown = said(run_kronkeep(place.daemon, "retention", "default/going"))
    token = re.search(r"--approve (\S+)\n", shown)
    assert token is not None, shown
    assert "[NotAllowedNow]" in said(run_kronkeep(place.daemon, "retention", "going", "--apply"), 1)
    wrong = said(run_kronkeep(place.daemon, "retention", "going", "--approve", "another"), 1)
    assert "[PreconditionFailed]" in wrong
    assert len(await place.list_snapshots("going", folder)) == 5
    done = said(run_kronkeep(place.daemon, "retention", "going", "--approve", token[1]))
    assert done == "Removed 2 snapshots of default/going\n"
    assert len(await place.list_snapshots("going", folder)) == 3
    before = size(folder)
    said(run_kronkeep(place.daemon, "storage", "prune", "going"))
    assert before - size(folder) > 500_000
    assert "no longer pinned" in said(run_kronkeep(place.daemon, "unpin", made[0]))
    assert said(run_kronkeep(place.daemon, "retention", "going", "--apply")).startswith(
        "Removed 1 snapshot of"
    )
    assert len(await place.list_snapshots("going", folder)) == 2


async def test_a_storage_of_the_same_manifests_is_waited_for(place: BackupSite, tmp_path: Path) -> None:
    await place.create_claim("declared")
    file = tmp_path / "set.yaml"
    file.write_text(
        "kind: CronJob\nname: declared\nimage: busybox\nschedule: 0 2 29 2 *\n"
        "volumes: [{claim: declared, mount_path: /data}]\npolicy: {storage_id: declared}\n---\n"
        f"kind: BackupStorage\nid: declared\nnamespaces: [default]\nsettings: {{path: {tmp_path}/declared}}\n"
    )
    assert said(run_kronkeep(place.daemon, "apply", "--dry-run", "-f", str(file))).count("would be cr") == 2
    assert "cronjob default/declared created" in said(run_kronkeep(place.daemon, "apply", "-f", str(file)))
    assert said(run_kronkeep(place.daemon, "apply", "-f", str(file))).count("unchanged") == 2


async def test_a_deleted_cronjob_is_asked_about_by_its_name(place: BackupSite) -> None:
    """Whoever wants a file back at night has the name of the CronJob that somebody deleted."""
    await place.create_storage("lost")
    data = await place.create_claim("lost")
    (data / "wanted.sql").write_bytes(b"1")
    async with place.client() as client:
        await place.create_cronjob(client, "lost", "lost", "lost", retention=Retention(days=30))
        made = [(await place.back_up(client, "lost")).id[:12] for _ in range(2)]
        await client.cronjobs.delete("default", "lost", "lost")
        await eventually(client.cronjobs.list, lambda page: all(each.name != "lost" for each in page.items))
    assert "wanted.sql" in said(run_kronkeep(place.daemon, "find", "lost", "*.sql"))
    shown = said(run_kronkeep(place.daemon, "retention", "default/lost"))
    assert re.findall(r"^keep +(\w+)", shown, re.MULTILINE) == made[::-1]
    assert "default/lost does not carry this policy any more" in shown
    tried = said(run_kronkeep(place.daemon, "retention", "lost", "--keep-last", "1"))
    assert re.findall(r"^remove (\w+)", tried, re.MULTILINE) == made[:1]
    never = said(run_kronkeep(place.daemon, "retention", "default/never"), 1)
    assert "[CronJobNotFound]" in never
