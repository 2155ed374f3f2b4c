"""What `cancel` stops: an id of any kind that has not ended, and what it then says of it."""

import argparse
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kronkeep_common.client import Client
from kronkeep_common.errors import AmbiguousId, ExecutionNotFound, NotFound
from kronkeep_tui.cli import cancel

ONE = "125064f121ba"
KINDS = ("runs", "backups", "copies", "restores")


class Calls:
    """The calls about one kind, of which one record has the id ONE or none has."""

    def __init__(self, has: bool, status: str) -> None:
        self._has = has
        self._status = status

    async def get(self, record_id: str) -> object:
        if not self._has:
            raise NotFound("There is none.")
        return object()

    async def cancel(self, record_id: str) -> object:
        assert self._has
        return SimpleNamespace(id=record_id, status=self._status, reason="Cancelled")


async def stop(*kinds: str, option: str | None = None) -> int:
    calls = {kind: Calls(kind in kinds, "failed") for kind in KINDS}
    client: Any = cast("Client", SimpleNamespace(**calls))
    options = argparse.Namespace(id=ONE, kind=option, namespace="default", output="text")
    return await cancel.cancel_record(client, options)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_id_of_any_kind_is_stopped_and_called_cancelled(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await stop(kind) == 0
    assert capsys.readouterr().out == f"{ONE} cancelled\n"


async def test_an_id_of_two_kinds_needs_an_option() -> None:
    with pytest.raises(AmbiguousId, match="that of a backup and a restore") as refusal:
        await stop("backups", "restores")
    assert "--restore" in refusal.value.next_step
    assert await stop("backups", "restores", option="restores") == 0


async def test_an_id_of_nothing_is_none_of_any_kind() -> None:
    with pytest.raises(ExecutionNotFound, match="no run, backup, copy or restore 125064f121ba"):
        await stop()
