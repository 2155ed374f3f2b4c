"""The embedded cluster's store on a full disk: what was asked waits, and is there once there is room."""

import asyncio
from pathlib import Path

from kronkeep_daemon.embedded.apiserver.object_store import Store
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH

CONFIGMAPS = BY_PATH["", "v1", "configmaps"]


def config(name: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": {"text": "x" * 20_000}}


async def test_without_room_changes_wait_and_none_is_lost(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    writing = asyncio.create_task(store.flush_forever())
    pages = store._database.execute("pragma page_count").fetchone()[0]
    store._database.execute(f"pragma max_page_count={pages + 2}")
    store.put(CONFIGMAPS, config("first"))
    waiting = asyncio.create_task(store.durable())
    done, _ = await asyncio.wait([waiting, writing], timeout=0.5)
    assert done == set()
    store.put(CONFIGMAPS, config("second"))
    store._database.execute("pragma max_page_count=100000")
    await asyncio.wait_for(waiting, 30)
    await store.durable()
    writing.cancel()
    await asyncio.wait([writing])
    store.close()
    again = Store(tmp_path / "s.db")
    assert [kept["metadata"]["name"] for kept in again.all(CONFIGMAPS, None)] == ["first", "second"]
    again.close()
