"""The object store on a full disk: changes wait, and are written once there is space."""

import asyncio
from pathlib import Path

from tests.waiting import LONGEST_WAIT

from kronkeep_daemon.embedded.apiserver.object_store import ObjectStore, open_database
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH

CONFIGMAPS = BY_PATH["", "v1", "configmaps"]


def config_map(name: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": {"text": "x" * 20_000}}


async def test_on_a_full_disk_changes_wait_and_none_is_lost(tmp_path: Path) -> None:
    database = open_database(tmp_path / "s.db")
    store = ObjectStore(database)
    committing = asyncio.create_task(store.commit_forever())
    (pages,) = database.execute("pragma page_count").fetchone()
    database.execute(f"pragma max_page_count={pages + 2}")
    store.put(CONFIGMAPS, config_map("first"))
    waiting = asyncio.create_task(store.wait_until_committed())
    done, _ = await asyncio.wait([waiting, committing], timeout=0.5)
    assert done == set()
    store.put(CONFIGMAPS, config_map("second"))
    database.execute("pragma max_page_count=100000")
    await asyncio.wait_for(waiting, LONGEST_WAIT)
    await store.wait_until_committed()
    committing.cancel()
    await asyncio.wait([committing])
    store.close()
    reopened = ObjectStore(open_database(tmp_path / "s.db"))
    assert [obj["metadata"]["name"] for obj in reopened.all(CONFIGMAPS, None)] == ["first", "second"]
    reopened.close()
