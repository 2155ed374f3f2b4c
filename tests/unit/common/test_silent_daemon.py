"""A daemon that runs and waits for a cluster is not one that is to be started."""

import socket
from collections.abc import Awaitable, Iterator
from pathlib import Path

import pytest
from tests.command_line import run_line

from kronkeep_common.client import Client, blocking_transport, httpx_transport
from kronkeep_common.client.sync_client import blocking_client
from kronkeep_common.errors import DaemonUnreachable, NoAnswerYet

SECONDS = 0.05


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket of a program that takes requests and never answers."""
    for module in (blocking_transport, httpx_transport):
        monkeypatch.setattr(module, "TIMEOUT_SECONDS", SECONDS)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen(8)
        yield tmp_path / "s"


async def refusal_of(call: Awaitable[object]) -> NoAnswerYet:
    with pytest.raises(NoAnswerYet) as refusal:
        await call
    return refusal.value


async def test_a_read_that_waits_says_so_with_and_without_an_event_loop(path: Path) -> None:
    async with Client(path) as client:
        for call in (client.cronjobs.list(), blocking_client(path).cronjobs.list()):
            said = await refusal_of(call)
            assert "has not answered for" in said.message
            assert "may wait for a cluster" in said.next_step
            assert "systemctl start" not in said.next_step


@pytest.mark.parametrize("argv", [("get", "cronjobs"), ("describe", "cronjob", "shop/db"), ("trigger", "db")])
def test_the_command_line_does_not_advise_to_start_it(path: Path, argv: tuple[str, ...]) -> None:
    done = run_line("--socket", str(path), *argv)
    assert (done.returncode, done.stdout) == (1, "")
    assert "[NoAnswerYet]" in done.stderr
    assert "tart it" not in done.stderr


async def test_where_nobody_listens_it_is_to_be_started(tmp_path: Path) -> None:
    for client in (Client(tmp_path / "none"), blocking_client(tmp_path / "none")):
        with pytest.raises(DaemonUnreachable) as refusal:
            await client.cronjobs.list()
        assert "tart it" in refusal.value.next_step
