"""Changes as what a sink writes: last states, and JSON that PostgreSQL takes."""

import json

from hypothesis import given
from hypothesis import strategies as st

from kronkeep_daemon.history import Change
from kronkeep_daemon.history.shipped_pages import ChangePlace
from kronkeep_daemon.sinks.batch import Put, TableBatch, batches_of, json_of_puts, replace_nul
from kronkeep_daemon.sinks.position import COPIED_TABLES, advance_copy, begin_copy


def put(seq: int, record_id: str, body: bytes = b"{}", table: str = "executions") -> Change:
    return Change(seq=seq, table=table, id=record_id, op="put", body=body)


def test_the_last_of_several_changes_of_a_document_counts() -> None:
    gone = Change(seq=5, table="executions", id="a", op="remove", body=None)
    batches = batches_of([put(1, "a"), put(2, "b"), put(3, "b", b"[1]"), put(4, "b", table="backups"), gone])
    assert batches["executions"].puts == [Put("b", 3, b"[1]")]
    assert batches["executions"].removed == [("a", 5)]
    assert batches["backups"].puts == [Put("b", 4, b"{}")]


def test_what_was_not_so_is_no_removal_among_others_unless_it_came_back() -> None:
    retracted = [
        Change(seq=3, table="executions", id=record_id, op="remove", body=None, retracts=True)
        for record_id in ("a\0", "b")
    ]
    (batch,) = batches_of([put(1, "a\0"), put(2, "b"), *retracted, put(4, "b")]).values()
    assert batch == TableBatch([Put("b", 4, b"{}")], [], ["a\ufffd"])


@given(st.dictionaries(st.text(), st.text(alphabet=["\0", "\\", "u", "0", '"', "x"]), max_size=5))
def test_only_nul_is_replaced(document: dict[str, str]) -> None:
    body = json.dumps(document).encode()
    replaced = {key.replace("\0", "\ufffd"): value.replace("\0", "\ufffd") for key, value in document.items()}
    assert json.loads(replace_nul(body)) == replaced


def test_puts_are_one_json_array() -> None:
    puts = [Put('a"\n', 7, b'{"message": "%s"}'), Put("b", 8, b"{}")]
    assert json.loads(json_of_puts(puts)) == [
        {"id": 'a"\n', "sequence": 7, "body": {"message": "%s"}},
        {"id": "b", "sequence": 8, "body": {}},
    ]


def test_a_copy_goes_through_every_table_and_ends() -> None:
    position = begin_copy(None, ChangePlace(9, 1))
    seen = []
    while position.copied_to is not None:
        seen.append(position.copied_to)
        position = advance_copy(position, 5 if position.copied_to.number == 0 else None)
    assert [(place.table, place.number) for place in seen] == [
        (table, number) for table in COPIED_TABLES for number in (0, 5)
    ]
    assert begin_copy(position, ChangePlace(20, 2)).generation == 2
