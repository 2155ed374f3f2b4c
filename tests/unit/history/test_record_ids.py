"""Ids of records: wide enough, of parts that cannot be mixed up, and their beginnings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kronkeep_common.errors import AmbiguousId, InvalidRequest
from kronkeep_daemon.history.record_ids import (
    ID_DIGITS,
    PrefixTable,
    derive_id,
    expand_prefix,
    join_parts,
    new_id,
)


class Table(PrefixTable):
    def __init__(self, *ids: str) -> None:
        self._ids = ids

    def ids_with_prefix(self, prefix: str, limit: int) -> list[str]:
        return [each for each in self._ids if each.startswith(prefix)][:limit]

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._ids


def test_ids_have_128_bits() -> None:
    assert ID_DIGITS * 4 == 128
    assert len(new_id()) == len(derive_id("backup", "a")) == ID_DIGITS
    assert new_id() != new_id()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("backup", "a/b", "c"), ("backup", "a", "b/c")),
        (("backup", "a", "1:b"), ("backup", "a1:b")),
        (("backup", "c"), ("drill", "c")),
        (("backup", ""), ("backup",)),
    ],
)
def test_no_part_can_be_chosen_to_make_another_things_id(
    first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    assert derive_id(*first) != derive_id(*second)


@given(st.lists(st.text()), st.lists(st.text()))
def test_two_lists_of_parts_are_joined_alike_only_when_they_are_equal(
    first: list[str], second: list[str]
) -> None:
    assert (join_parts(*first) == join_parts(*second)) == (first == second)


def test_a_beginning_that_only_one_id_has_stands_for_it() -> None:
    table = Table("abcd1111", "abce2222")
    assert expand_prefix(table, "abcd", "backup") == "abcd1111"
    assert expand_prefix(table, "abcd1111", "backup") == "abcd1111"
    assert expand_prefix(table, "ffff", "backup") == "ffff"  # whose lookup then says that there is none


def test_a_whole_id_is_taken_though_another_begins_with_it() -> None:
    assert expand_prefix(Table("b", "b-long"), "b", "backup") == "b"


def test_a_beginning_that_several_ids_have_is_refused_and_they_are_named() -> None:
    table = Table(*(f"abcd{number}" for number in range(9)))
    with pytest.raises(AmbiguousId) as refusal:
        expand_prefix(table, "abcd", "backup")
    assert "More than one backup has an id that begins with abcd: abcd0, abcd1" in refusal.value.message
    assert "and others" in refusal.value.message
    assert refusal.value.details["candidates"] == [f"abcd{number}" for number in range(5)]


@pytest.mark.parametrize("text", ["", "a", "abc"])
def test_a_short_beginning_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="too short"):
        expand_prefix(Table("abcd"), text, "backup")
