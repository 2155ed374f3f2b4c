"""The newest sequence on the Lease: a history that was put back, `newest` included, is noticed and told."""

import shutil
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.clock import SystemClock
from kronkeep_daemon.alerts.history_rules import TOLD_DAYS, history_findings
from kronkeep_daemon.history import History
from kronkeep_daemon.history.database import connect
from kronkeep_daemon.history.database_check import check_whole
from kronkeep_daemon.history.facts import LOST_CHANGES
from kronkeep_daemon.history.sequence_note import SequenceNote
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.lease import MOST_NOTES, NOTE_PREFIX, Leadership
from kronkeep_daemon.testing import FakeClock


async def open_history(folder: Path) -> History:
    return await History.open(folder, clock=SystemClock())


async def write(history: History, count: int) -> None:
    for number in range(count):
        history.table("notes").put_document(None, {"id": f"{history.seq}-{number}", "created_at": "2026"})
        await history.commit()


def leadership_of(cluster: Cluster, history: History) -> Leadership:
    clock = FakeClock(datetime.now(UTC))
    note = SequenceNote(history, clock)
    return Leadership(cluster=cluster, namespace="kronkeep", holder="one", clock=clock, note=note)


async def test_an_old_copy_that_was_put_back_is_noticed_and_no_number_is_given_twice(
    tmp_path: Path,
    cluster: Cluster,
) -> None:
    folder = tmp_path / "history"
    history = await open_history(folder)
    await write(history, 5)
    await history.close()
    shutil.copytree(folder, tmp_path / "copy")
    history = await open_history(folder)
    await write(history, 20)
    await leadership_of(cluster, history).refresh()
    await history.close()
    shutil.rmtree(folder)
    (tmp_path / "copy").rename(folder)

    history = await open_history(folder)
    await write(history, 3)
    await leadership_of(cluster, history).refresh()
    fact = history.facts.get(LOST_CHANGES)
    assert fact is not None
    assert (fact.name, history.seq) == ("5 25", 26)
    assert history.changes_since(20) is None
    later = history.changes_since(25)
    assert later is not None
    assert [change.seq async for change in later] == [26]
    (finding,) = history_findings(fact, datetime.now(UTC))
    assert finding.code == AlertCode.HISTORY_WENT_BACK
    assert "change 5" in finding.message
    assert history_findings(fact, datetime.now(UTC) + timedelta(days=TOLD_DAYS, hours=1)) == []
    await write(history, 2)
    await history.close()
    with closing(connect(folder / "history.db")) as connection:
        assert check_whole(connection) == []

    history = await open_history(folder)
    assert history.seq == 28
    await leadership_of(cluster, history).refresh()
    assert history.facts.get(LOST_CHANGES) == fact, "it is told once"
    await history.close()


async def test_a_history_that_is_whole_and_the_notes_of_others_stay(
    tmp_path: Path,
    cluster: Cluster,
) -> None:
    histories = [await open_history(tmp_path / str(number)) for number in range(MOST_NOTES + 3)]
    for history in histories:
        await write(history, 2)
        leadership = leadership_of(cluster, history)
        await leadership.refresh()
        await write(history, 1)
        await leadership.release()
        assert history.facts.get(LOST_CHANGES) is None
    lease = await cluster.get(paths.leases("kronkeep", "kronkeepd"))
    notes = {name: text for name, text in lease["metadata"]["annotations"].items() if NOTE_PREFIX in name}
    assert len(notes) == MOST_NOTES
    assert notes[NOTE_PREFIX + histories[-1].history_id] == "3"
    for number, history in enumerate(histories):
        await history.close()
        again = await open_history(tmp_path / str(number))
        await leadership_of(cluster, again).refresh()
        assert again.facts.get(LOST_CHANGES) is None
        await again.close()


async def test_the_first_lease_of_all_is_renewed_without_an_alarm(
    tmp_path: Path,
    cluster: Cluster,
) -> None:
    with suppress(NotFoundInCluster):
        await cluster.delete(paths.leases("kronkeep", "kronkeepd"))
    history = await open_history(tmp_path)
    await write(history, 2)
    leadership = leadership_of(cluster, history)
    for _ in range(3):
        await leadership.refresh()
        await write(history, 2)
    assert history.facts.get(LOST_CHANGES) is None
    await history.close()


async def test_what_somebody_wrote_on_the_lease_is_no_sequence(
    tmp_path: Path,
    cluster: Cluster,
) -> None:
    history = await open_history(tmp_path)
    for text in ("", "-5", "9" * 30, "٣٣٣", "12 34"):
        await SequenceNote(history, SystemClock()).compare(text)
    assert history.facts.get(LOST_CHANGES) is None
    await history.close()
