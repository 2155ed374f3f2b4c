"""What cannot be done is one sentence with what to do and one code, in API, command line and terminal."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cluster_proxy import daemon_behind_proxy
from tests.command_line import run_kronkeep, run_process
from tests.daemon_process import Daemon
from tests.ui.driving import screen, until
from tests.waiting import LONGEST_WAIT

from kronkeep_common.client import Client
from kronkeep_common.models import CronJobCreate
from kronkeep_tui.app import KronkeepApp
from kronkeep_tui.settings import TerminalSettings
from kronkeep_tui.views.form import FormView

GOOD = {"name": "fine", "image": "busybox", "schedule": "0 2 29 2 *"}
REFUSED = [
    ({"name": "taken"}, "NameTaken"),
    ({"schedule": "61 * * * *"}, "InvalidSchedule"),
    ({"zone": "Mars/Base"}, "InvalidTimeZone"),
    ({"image": "no spaces"}, "InvalidImage"),
    ({"name": "Not_Valid"}, "InvalidName"),
    ({"storage": "nowhere"}, "StorageNotFound"),
]
FIELDS = {"zone": "time_zone", "storage": "policy.storage_id"}
FLAGS = {"image": "--image", "schedule": "--schedule", "zone": "--zone", "storage": "--storage"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon_process = Daemon(tmp_path_factory.mktemp("b") / "s")
    asyncio.run(daemon_process.start())

    async def fill() -> None:
        async with daemon_process.client() as client:
            await client.cronjobs.create(CronJobCreate(**GOOD | {"name": "taken"}))  # type: ignore[arg-type]

    asyncio.run(fill())
    yield daemon_process
    asyncio.run(daemon_process.stop())


async def over_the_api(daemon: Daemon, fields: dict[str, str]) -> str:
    """The problem's code; it has a sentence and a next step too."""
    body: dict[str, Any] = {k: v for k, v in fields.items() if k not in ("zone", "storage")}
    body["time_zone"] = fields.get("zone")
    if "storage" in fields:
        body["policy"] = {"storage_id": fields["storage"]}
    transport = httpx.AsyncHTTPTransport(uds=daemon.announcement["socket"])
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        problem = (await http.post("/v1/cronjobs", json=body)).json()
    assert problem["detail"].count(". ") == 0
    assert problem["next_step"].endswith(".")
    return str(problem["code"])


def on_the_command_line(daemon: Daemon, fields: dict[str, str]) -> str:
    flags = [text for key, flag in FLAGS.items() if key in fields for text in (flag, fields[key])]
    done = run_kronkeep(daemon, "create", fields["name"], *flags)
    assert done.returncode in (1, 2, 3)
    sentence, step = done.stderr.splitlines()
    assert sentence.startswith("kronkeep: ")
    return step.rpartition("[")[2].rstrip("]")


async def in_the_terminal(daemon: Daemon, fields: dict[str, str], code: str, first: str = "taken") -> None:
    async with Client(Path(daemon.announcement["socket"])) as client:
        app = KronkeepApp(client, TerminalSettings(), start="jobs")
        async with app.run_test(size=(320, 50)) as pilot:
            await until(pilot, lambda: first in screen(pilot))
            await pilot.press("n")
            await until(pilot, lambda: "new CronJob" in screen(pilot))
            for key, value in fields.items():
                view = app.frame.view
                assert isinstance(view, FormView)
                view.fill_fields({FIELDS.get(key, key): value}, at="name")
            await pilot.press("ctrl+s")
            await until(pilot, lambda: f"[{code}]" in screen(pilot))


@pytest.mark.parametrize(("change", "code"), REFUSED, ids=[code for _, code in REFUSED])
async def test_a_refused_creation_has_one_code(daemon: Daemon, change: dict[str, str], code: str) -> None:
    fields = GOOD | change
    assert await over_the_api(daemon, fields) == code
    assert await asyncio.to_thread(on_the_command_line, daemon, fields) == code
    await in_the_terminal(daemon, fields, code)
    async with daemon.client() as client:
        assert [cronjob.name for cronjob in (await client.cronjobs.list()).items] == ["taken"]


async def test_an_unreachable_cluster_has_one_code(tmp_path: Path) -> None:
    async with daemon_behind_proxy(tmp_path) as (daemon, proxy, _):
        async with daemon.client() as client:
            await client.cronjobs.create(CronJobCreate(**GOOD | {"name": "taken"}))  # type: ignore[arg-type]
        proxy.down = True
        assert await over_the_api(daemon, GOOD) == "ClusterUnreachable"
        assert await asyncio.to_thread(on_the_command_line, daemon, GOOD) == "ClusterUnreachable"
        await in_the_terminal(daemon, GOOD, "ClusterUnreachable")
        proxy.down = False


async def test_a_socket_that_nobody_serves_has_one_code(tmp_path: Path) -> None:
    nobody = Daemon(tmp_path)
    nobody.announcement = {"socket": str(tmp_path / "none.sock")}
    code = await asyncio.to_thread(on_the_command_line, nobody, GOOD)
    assert code == "DaemonUnreachable"
    await in_the_terminal(nobody, GOOD, "DaemonUnreachable", first="Nobody serves")


def refused_start(*argv: str, **environment: str) -> list[str]:
    """The two lines of a daemon that does not start."""
    command = [sys.executable, "-m", "kronkeep_daemon", *argv]
    merged = {**os.environ, **environment}
    done = subprocess.run(
        command, capture_output=True, text=True, env=merged, timeout=LONGEST_WAIT, check=False
    )
    assert done.returncode == 1, done.stderr
    return [line for line in done.stderr.splitlines() if not line.startswith("{")]


def test_a_state_folder_in_use_is_refused_by_daemon_and_demo(daemon: Daemon) -> None:
    sentence, step = refused_start("--embedded", "--state", str(daemon.state))
    assert "Another kronkeepd uses the state folder" in sentence
    assert step.endswith(" [StateInUse]")
    done = run_process(daemon, "demo", "--headless", "--state", str(daemon.state))
    assert done.returncode == 1
    assert "[StateInUse]" in done.stderr


def test_a_missing_program_is_refused_by_daemon_and_demo(daemon: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    sentence, step = refused_start("--embedded", "--state", str(tmp_path / "s"), PATH=str(path))
    assert "restic" in sentence
    assert step == "Run: apt-get install -y restic. [ToolMissing]"
    (path / "restic").symlink_to(shutil.which("restic") or "")
    sentence, step = refused_start("--embedded", "--state", str(tmp_path / "s"), PATH=str(path))
    assert "bwrap" in sentence
    assert step.endswith(" [ToolMissing]")
    (path / "restic").unlink()
    done = run_process(daemon, "demo", "--headless", PATH=str(path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "[ToolMissing]" in done.stderr


def test_this_machines_tools_are_an_embedded_clusters_alone(tmp_path: Path) -> None:
    sentence, step = refused_start("--machine-tools", "--state", str(tmp_path / "s"))
    assert "this machine's tools" in sentence
    assert step == "Add --embedded. [InvalidSettings]"
