"""Facts that must survive a restart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import Fact, drill_seen_key, policy_seen_key

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


async def test_the_first_time_stays_whatever_is_asked_later_and_after_a_restart(tmp_path: Path) -> None:
    key = policy_seen_key("cronjob", "policy")
    history = await History.open(tmp_path, clock=SystemClock())
    assert history.facts.get(key) is None
    assert history.facts.first_seen(key, NOW) == NOW
    assert history.facts.first_seen(key, LATER) == NOW
    await history.close()
    history = await History.open(tmp_path, clock=SystemClock())
    assert history.facts.first_seen(key, LATER) == NOW
    assert history.facts.get(drill_seen_key("cronjob", "policy")) is None
    await history.close()


async def test_a_fact_that_is_set_again_replaces_the_earlier_one(tmp_path: Path) -> None:
    history = await History.open(tmp_path, clock=SystemClock())
    history.facts.set("key", NOW, name="a")
    history.facts.set("key", LATER, since=NOW)
    assert history.facts.get("key") == Fact(id="key", created_at=LATER, since=NOW)
    assert [document["id"] for document in history.table("facts")] == ["key"]
    await history.close()
