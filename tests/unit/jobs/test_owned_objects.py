"""Tokens: computed from a key that is durable first, equal after a restart, another's in another history."""

from pathlib import Path

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History
from kronkeep_daemon.jobs.owned_objects import OBJECT_AGE, ObjectTokens
from kronkeep_daemon.testing import FakeClock

PATH = "/apis/batch/v1/namespaces/shop/jobs/ours"


async def token_in(folder: Path, cluster_id: str = "c", path: str = PATH) -> str:
    """Return the token that a daemon computes after its start on the history in `folder`."""
    history = await History.open(folder, clock=SystemClock())
    token = await ObjectTokens(history=history, clock=SystemClock()).token_of(cluster_id, path)
    await history.close()
    return token


async def test_a_uid_is_remembered_over_a_restart_and_not_for_ever(tmp_path: Path) -> None:
    clock = FakeClock()
    history = await History.open(tmp_path, clock=clock)
    await ObjectTokens(history=history, clock=clock).record_uid("c", PATH, "first")
    await history.close()
    history = await History.open(tmp_path, clock=clock)
    tokens = ObjectTokens(history=history, clock=clock)
    assert (tokens.uid_of("c", PATH), tokens.uid_of("d", PATH)) == ("first", None)
    await clock.advance(OBJECT_AGE.total_seconds() + 1)
    await tokens.record_uid("c", f"{PATH}-2", "second")
    assert (tokens.uid_of("c", PATH), tokens.uid_of("c", f"{PATH}-2")) == (None, "second")
    await history.close()


async def test_a_token_is_the_same_after_a_restart_and_no_other_history_has_it(tmp_path: Path) -> None:
    first = await token_in(tmp_path / "a")
    assert await token_in(tmp_path / "a") == first
    assert await token_in(tmp_path / "b") != first
    assert await token_in(tmp_path / "a", "other cluster") != first
    assert await token_in(tmp_path / "a", path=f"{PATH}-2") != first
    assert len(first) == 32
