"""Filters for lists of records, with one grammar for API, command line and terminal.

    status:failed ns:pay age:<24h !name:test text

A record must match all terms; `!` negates a term. `status`, `ns`, `cluster`, `storage`, `policy`,
`trigger`, `reason`, `severity`, `code` and `snapshot` (present, missing, removed or none, of a backup or
copy) must be equal to the value; `name`, and a word without a field, must contain it. `cluster` is a name
in the settings or an id; `age` is < or > and a duration in s, m, h or d. A CronJob has the status of its
newest run, and `suspended` and `late` besides, and its age is that of its newest run. A storage has every
`ns` that it serves.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from kronkeep_common import subject_names
from kronkeep_common.errors import InvalidFilter
from kronkeep_common.filter_words import FilterWords
from kronkeep_common.models.storage import BackupStorage
from kronkeep_common.name_suggestions import suggest_name
from kronkeep_common.text import clean

_AGE = re.compile(r"([<>])([0-9]{1,9})([smhd])")  # 999,999,999 days are the most that a timedelta holds
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FIELDS = {
    "status": "status",
    "ns": "namespace",
    "cluster": "cluster",
    "storage": "storage_id",
    "policy": "policy_id",
    "trigger": "trigger",
    "reason": "reason",
    "severity": "severity",
    "code": "code",
    "snapshot": "snapshot_state",
}
_INDEXED = ("status", "ns", "cluster", "storage", "policy")
RecordTest = Callable[[Any, datetime], bool]


class RecordFilter(NamedTuple):
    """A parsed filter: tests that must all pass, and what an index can find first.

    indexed_values: values by field.
    greatest_age: that of every record that passes; None is no bound.
    """

    tests: tuple[RecordTest, ...]
    indexed_values: dict[str, str]
    greatest_age: timedelta | None = None

    def matches(self, record: Any, now: datetime) -> bool:
        """Whether a record passes all tests."""
        return all(test(record, now) for test in self.tests)


def parse_filter(
    text: str, clusters: Mapping[str, str] = MappingProxyType({}), words: FilterWords | None = None
) -> RecordFilter:
    """Parse a filter; raise InvalidFilter with the column of the fault.

    clusters: ids by name.
    words: what the records may have; a key or a value that none of them can have is refused.
    """
    tests: list[RecordTest] = []
    equal: dict[str, str] = {}
    ages: list[timedelta] = []
    for match in re.finditer(r"\S+", text):
        word = match.group()
        column = match.start() + 1
        negated = word.startswith("!")
        body = word.removeprefix("!")
        key, colon, value = body.partition(":")
        if words is not None and colon and value and key in (*_FIELDS, "name", "age", "job"):
            words.check_term(key, value, column)
        value = clusters.get(value, value) if key == "cluster" else value
        if colon and key in _INDEXED and not negated:
            equal[_FIELDS[key]] = value
        test = _make_test(key, value, column) if colon else _make_text_test(body)
        tests.append(_negate(test) if negated else test)
        if key == "age" and value.startswith("<") and not negated:
            ages.append(_parse_age(value, column).limit)
    return RecordFilter(tuple(tests), equal, min(ages, default=None))


def write_filter(text: str) -> str:
    """Return a filter as it is kept and shown: in one line, its terms as far apart as one space."""
    return clean(" ".join(text.split()), 500)


def _negate(test: RecordTest) -> RecordTest:
    return lambda record, now: not test(record, now)


def _make_test(key: str, value: str, column: int) -> RecordTest:
    if not value:
        raise InvalidFilter(f"The filter lacks a value after {key!r}.", column=column)
    if key == "age":
        return _make_age_test(value, column)
    if key == "name":
        return lambda record, _: value.lower() in _name_text(record)
    if key == "job":
        return partial(_is_of_bare_job, value)
    if key not in _FIELDS:
        advice = suggest_name(key, [*_FIELDS, "name", "age", "job"])
        raise InvalidFilter(f"The filter does not know {key!r}.", next_step=advice, column=column)
    field = _FIELDS[key]
    return lambda record, _: value in _field_texts(record, field)


def _is_of_bare_job(name: str, record: Any, _now: datetime) -> bool:
    """Whether a record is of a Job without a CronJob of that name; `*` is any."""
    job = subject_names.job_of(str(getattr(record, "cronjob", None) or ""))
    return job is not None and name in ("*", job)


def cronjob_statuses(cronjob: Any) -> tuple[str, ...]:
    """Return the words that a filter knows for the state of a CronJob."""
    if cronjob.is_claim:
        return ("claim",)
    words = [str(cronjob.recent[-1]) if cronjob.recent else "new"]
    words += ["suspended"] if cronjob.suspended else []
    words += ["late"] if cronjob.late_since is not None else []
    for status in reversed(cronjob.recent):
        if status not in ("pending", "running"):
            words.append(str(status))
            break
    return tuple(words)


def _field_texts(record: Any, field: str) -> tuple[str, ...]:
    """Return the values that a record, or its policy, has in a field; none without one."""
    if field == "status" and hasattr(record, "recent"):
        return cronjob_statuses(record)
    if isinstance(record, BackupStorage):
        return _storage_texts(record, field)
    policy = getattr(record, "policy", None)
    if policy is not None and not hasattr(record, field):
        return (str(getattr(policy, field.replace("policy_id", "id"), "")),)
    value = getattr(record, field, None)
    return () if value is None else (str(value),)


def _storage_texts(storage: BackupStorage, field: str) -> tuple[str, ...]:
    if field == "storage_id":
        return (storage.id,)
    if field == "namespace":
        return storage.namespaces
    return (str(getattr(storage, field, None) or ""),)


class AgeBound(NamedTuple):
    """An age that is compared: younger than the limit, or older."""

    younger: bool
    limit: timedelta


def _parse_age(value: str, column: int) -> AgeBound:
    match = _AGE.fullmatch(value)
    if match is None:
        raise InvalidFilter(f"The filter's age {value!r} is not like <24h.", column=column)
    return AgeBound(younger=match[1] == "<", limit=timedelta(**{_UNITS[match[3]]: int(match[2])}))


def _make_age_test(value: str, column: int) -> RecordTest:
    bound = _parse_age(value, column)

    def test(record: Any, now: datetime) -> bool:
        times = (getattr(record, field, None) for field in ("last_started_at", "created_at", "since"))
        at = next((time for time in times if time is not None), None)
        return at is not None and ((now - at) < bound.limit) == bound.younger

    return test


def _name_text(record: Any) -> str:
    for field in ("cronjob", "name", "id", "file"):
        if text := getattr(record, field, None):
            return str(text).lower()
    return ""


def _make_text_test(word: str) -> RecordTest:
    """Return a test for a word alone: a part of the name, the namespace, or an alert's code."""
    lower_word = word.lower()

    def test(record: Any, _now: datetime) -> bool:
        others = (getattr(record, field, None) or "" for field in ("namespace", "code"))
        return any(lower_word in str(text).lower() for text in (_name_text(record), *others))

    return test
