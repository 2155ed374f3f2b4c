"""A client that resumes gets the latest change of each record; the queue of a slow reader stays small."""

from kronkeep_daemon.history import Change
from kronkeep_daemon.http import computed_changes, event_stream
from kronkeep_daemon.http.computed_changes import LatestChanges
from kronkeep_daemon.http.event_stream import StreamQueue


def put(seq: int, record_id: str, body: bytes = b"{}", table: str = "cronjobs") -> Change:
    return Change(seq=seq, table=table, id=record_id, op="put", body=body)


def removal(seq: int, record_id: str) -> Change:
    return Change(seq=seq, table="cronjobs", id=record_id, op="remove", body=None)


def from_seven() -> LatestChanges:
    latest = LatestChanges()
    latest.start = 7
    return latest


def test_only_what_differs_is_a_change() -> None:
    latest = from_seven()
    assert latest.put(put(7, "a", b"1"))
    assert not latest.put(put(8, "a", b"1"))
    assert latest.put(put(9, "a", b"2"))
    assert latest.remove(removal(9, "a"))
    assert not latest.remove(removal(10, "a"))
    assert latest.ids("cronjobs") == []
    assert latest.put(put(11, "a", b"2"))
    assert latest.ids("cronjobs") == ["a"]
    assert latest.ids("watches") == []


def test_who_resumes_gets_the_latest_change_of_each_record_from_that_sequence_on() -> None:
    latest = from_seven()
    for change in (put(6, "a"), put(6, "b"), put(8, "a", b"2"), put(9, "a", b"3"), put(6, "c")):
        latest.put(change)
    latest.remove(removal(9, "b"))
    assert latest.since(7) == [removal(9, "b"), put(9, "a", b"3")]
    assert latest.since(9) == [removal(9, "b"), put(9, "a", b"3")]
    assert latest.since(10) == []


def test_who_resumes_from_before_the_start_needs_a_snapshot() -> None:
    latest = LatestChanges()
    assert latest.since(7) is None
    latest.start = 7
    assert latest.since(6) is None
    assert latest.since(7) == []
    latest.clear()
    assert latest.since(7) is None


def test_a_removal_that_is_no_longer_remembered_moves_the_start() -> None:
    latest = from_seven()
    for number in range(computed_changes.MOST_REMOVED + 1):
        latest.put(put(6, str(number)))
        latest.remove(removal(100 + number, str(number)))
    assert latest.since(100) is None
    assert len(latest.since(101) or ()) == computed_changes.MOST_REMOVED


def selects_all(_: Change) -> bool:
    return True


def test_the_history_comes_first_and_of_a_cronjob_only_the_latest_state() -> None:
    queue = StreamQueue(selects_all)
    queue.offer_live(put(1, "a", b"1"))
    queue.offer_live(put(1, "b"))
    queue.offer(put(2, "run", table="executions"))
    queue.offer_live(put(2, "a", b"2"))
    order = [queue.next() for _ in range(4)]
    assert order == [put(2, "run", table="executions"), put(1, "b"), put(2, "a", b"2"), None]


def test_many_cronjobs_lose_no_reader_and_many_changes_of_the_history_do() -> None:
    queue = StreamQueue(selects_all)
    for number in range(2 * event_stream.QUEUE):
        queue.offer_live(put(1, str(number)))
    assert not queue.lost
    for number in range(event_stream.QUEUE):
        queue.offer(put(number, "run", table="executions"))
    assert not queue.lost
    queue.offer(put(event_stream.QUEUE, "run", table="executions"))
    assert queue.lost
