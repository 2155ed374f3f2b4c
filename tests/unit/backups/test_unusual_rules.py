"""Unusual backups: thousands of generated backups, and the disasters that must be seen at once."""

from datetime import timedelta
from random import Random

import pytest
from tests.unit.backups.generated_histories import DAY, SHAPES, START, count_alarms, many_files, past_of

from kronkeep_daemon.backups.unusual_rules import ArchiveFigures, explain_unusual

BACKUPS = 150  # of each history; seven shapes, daily and hourly, two seeds: 4,200
MOST_ALARMS = 4
WITH_FILES = ["many files", "quiet weekends", "database folder", "monthly steps", "hardly used"]


def test_at_most_one_backup_in_a_thousand_is_a_false_alarm() -> None:
    alarms = {
        (name, hours, seed): count_alarms(shape, seed, BACKUPS, timedelta(hours=hours))
        for name, shape in SHAPES.items()
        for hours in (24, 1)
        for seed in (1, 2)
        if (name, hours) != ("weekly rotation", 1)  # an hourly backup of a weekly cleanup is unusual, once
    }
    assert sum(alarms.values()) <= MOST_ALARMS, alarms


@pytest.mark.torture
def test_at_most_one_backup_in_a_thousand_is_a_false_alarm_over_years() -> None:
    alarms = sum(count_alarms(shape, seed, 1000) for shape in SHAPES.values() for seed in range(10))
    assert alarms <= 70, alarms  # of 70,000


def next_of(name: str, count: int) -> tuple[ArchiveFigures, list[ArchiveFigures]]:
    """Return a usual next backup of a shape, and those before it."""
    at = START + count * DAY
    return SHAPES[name](Random(99), count, at), past_of(SHAPES[name], 3, count)


@pytest.mark.parametrize("count", [12, 30, 100])
@pytest.mark.parametrize("name", [*WITH_FILES, "one dump"])
def test_a_drop_by_half_is_seen_at_once(name: str, count: int) -> None:
    usual, past = next_of(name, count)
    assert explain_unusual(usual, past) == ()
    half = usual._replace(files=max(1, usual.files // 2), bytes_read=usual.bytes_read // 2)
    assert "were expected" in "".join(explain_unusual(half, past))


@pytest.mark.parametrize("count", [12, 30, 100])
@pytest.mark.parametrize("name", WITH_FILES)
def test_files_that_are_all_rewritten_are_seen_at_once(name: str, count: int) -> None:
    usual, past = next_of(name, count)
    encrypted = usual._replace(changed=1.0, bytes_new=usual.bytes_read)
    assert "new" in "".join(explain_unusual(encrypted, past))


@pytest.mark.parametrize("count", [12, 30, 100])
def test_an_emptied_table_is_seen_in_a_dump_at_once(count: int) -> None:
    usual, past = next_of("one dump", count)
    emptied = usual._replace(bytes_read=int(usual.bytes_read * 0.6))
    assert explain_unusual(emptied, past)


def test_a_dump_that_stands_still_is_seen() -> None:
    usual, past = next_of("one dump", 40)
    assert "Nothing in it is new" in "".join(explain_unusual(usual._replace(bytes_new=0), past))
    usual, past = next_of("hardly used", 40)
    assert explain_unusual(usual._replace(bytes_new=0), past) == ()


def test_an_archive_that_takes_a_day_is_seen() -> None:
    usual, past = next_of("many files", 30)
    assert "It took" in "".join(explain_unusual(usual._replace(seconds=86400), past))


def test_nothing_is_judged_before_ten_backups() -> None:
    _, past = next_of("many files", 30)
    nothing = past[0]._replace(files=0, bytes_read=0)
    assert explain_unusual(nothing, past[:9]) == ()
    assert explain_unusual(nothing, past[:10])


def test_what_somebody_has_acknowledged_is_usual_from_then_on() -> None:
    past = past_of(many_files, 4, 30)
    half = past[0]._replace(files=past[0].files // 2, bytes_read=past[0].bytes_read // 2, at=START + 30 * DAY)
    assert explain_unusual(half, past)
    later = half._replace(at=START + 31 * DAY, files=half.files + 3)
    assert explain_unusual(later, [half, *past], [half]) == ()
    assert explain_unusual(later._replace(bytes_read=half.bytes_read // 2), [half, *past], [half])
