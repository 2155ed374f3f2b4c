"""The evidence report of a real daemon, its signature, and its verification without the daemon."""

import asyncio
import subprocess
from pathlib import Path

import msgspec
from tests.command_line import run_line
from tests.daemon_process import Daemon

from kronkeep_common.models import CronJobCreate
from kronkeep_common.models.report import EvidenceReport


def run(*argv: str, socket: str = "/nonexistent") -> "subprocess.CompletedProcess[str]":
    return run_line("--socket", socket, "report", *argv)


def make_key(file: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)


async def test_who_deleted_what_is_signed_and_verified_without_a_daemon(
    daemon: Daemon, tmp_path: Path
) -> None:
    async with daemon.client() as client:
        spec = CronJobCreate(name="old", image="busybox:1.36", command=("true",), schedule="0 2 29 2 *")
        await client.cronjobs.create(spec)
        await client.cronjobs.delete("default", "old", "old")
    socket = daemon.announcement["socket"]
    key = tmp_path / "key"
    await asyncio.to_thread(make_key, key)
    file = tmp_path / "report.json"
    wanted = ("--format", "json", "--output", str(file), "--sign-key", str(key))
    for _ in range(2):  # a second report takes the place of the first, and so does its signature
        made = await asyncio.to_thread(run, *wanted, socket=socket)
        assert made.returncode == 0, made.stderr
    report = msgspec.json.decode(file.read_bytes(), type=EvidenceReport)
    assert [(each.method, each.object["name"]) for each in report.deletions] == [("DELETE", "old")]
    assert report.deletions[0].user

    page = await asyncio.to_thread(run, "--from", "2026-01-01", socket=socket)
    assert (page.returncode, "Who deleted what" in page.stdout) == (0, True), page.stderr
    wrong = await asyncio.to_thread(run, "--from", "2099-01-01", socket=socket)
    assert (wrong.returncode, "InvalidRequest" in wrong.stderr) == (2, True)

    allowed = tmp_path / "allowed"
    allowed.write_text(f"ops {key.with_suffix('.pub').read_text()}")
    who = ("--allowed-signers", str(allowed), "--signer", "ops")
    assert run("verify", str(file)).returncode == 0
    assert 'Good "kronkeep-report" signature for ops' in run("verify", str(file), *who).stdout
    assert run("verify", str(file), *who[:2], "--signer", "eve").returncode == 1
    file.write_bytes(file.read_bytes().replace(b"old", b"new"))
    refused = run("verify", str(file), *who)
    assert (refused.returncode, "is not what was signed" in refused.stderr) == (1, True)
