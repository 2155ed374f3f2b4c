"""Storms of failures with known causes: few messages, and nearly every alert with those of its own cause."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kronkeep_common.models import Alert
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.alerts.storm_groups import SharedCause, group_alerts, normalise_line

NOW = datetime(2026, 6, 1, 2, 14, tzinfo=UTC)
NODES = [f"node-{number}" for number in range(12)]
IMAGES = [f"registry.example/team{number}/job:1" for number in range(25)]
STORAGES = ["nas", "offsite", "bucket"]
OWN_LINES = "assertion {n} in step {w} failed|{w} not in table {v}|cannot parse {w} near {v}|{w}: {v} is gone"
WORDS = [
    f"{first}{second}" for first in ("ora", "tin", "fel", "mus", "kar") for second in ("ba", "co", "du", "ge")
]


def alert(number: int, rng: random.Random, **fields: Any) -> Alert:
    """Return a failure whose other values are there by chance; each has a last line of its own."""
    line = rng.choice(OWN_LINES.split("|")).format(n=rng.random(), w=rng.choice(WORDS), v=rng.choice(WORDS))
    values = {
        "code": "RunFailed",
        "node": rng.choice(NODES),
        "image": rng.choice(IMAGES),
        "storage_id": rng.choice(STORAGES),
        "last_line": f"{line} {rng.choice(WORDS)}{rng.choice(WORDS)}",
    } | fields
    return Alert(
        id=f"a{number}",
        severity="critical",
        status=AlertStatus.OPEN,
        kind="cronjob",
        object=f"shop/job-{number}",
        object_id=f"j{number}",
        namespace="shop",
        cronjob=f"job-{number}",
        since=NOW + timedelta(seconds=number),
        created_at=NOW,
        message="The newest run failed.",
        next_step="Look.",
        **values,
    )


def fields_of_cause(cause: str, number: int, rng: random.Random) -> dict[str, str | None]:
    """Return what the failures of a cause share."""
    address = f"10.0.{rng.randrange(9)}.{rng.randrange(250)}:{rng.randrange(60000)}"
    fields: dict[str, dict[str, str | None]] = {
        "node": {"node": "node-7"},  # each program fails with words of its own
        "node with a line": {"node": "node-3", "last_line": f"read /data/{number}/x: input/output error"},
        "image": {"image": "registry.example/etl/loader:2.4"},
        "database": {"last_line": f"dial tcp {address}: connect: connection refused (job-{number})"},
        "certificate": {
            "last_line": f"x509: certificate has expired: current time {NOW} is after 2026-0{number % 9}"
        },
        "storage": {"code": "BackupFailed", "storage_id": "nas", "node": None},
        "memory": {"last_line": f"Killed process {number} (python3) out of memory"},
    }
    return fields[cause]


CAUSES = ("node", "node with a line", "image", "database", "certificate", "storage", "memory")


@pytest.mark.parametrize("seed", range(20))
def test_a_storm_of_500_failures_with_5_causes_is_8_messages_at_most(seed: int) -> None:
    rng = random.Random(seed)
    causes = rng.sample(CAUSES, 5)
    weights = [rng.uniform(1, 6) for _ in causes]
    truth = rng.choices(causes, weights, k=480) + ["by itself"] * 20
    rng.shuffle(truth)
    storm = [
        alert(number, rng, **(fields_of_cause(cause, number, rng) if cause in CAUSES else {}))
        for number, cause in enumerate(truth)
    ]
    groups = group_alerts(storm)
    assert len(groups) <= 8
    assert sorted(each.id for group in groups for each in group.alerts) == sorted(each.id for each in storm)
    right = 0
    for group in groups:
        names = Counter(truth[int(each.id[1:])] for each in group.alerts)
        right += names.most_common(1)[0][1]
    assert right / len(storm) >= 0.95, [(g.cause, len(g.alerts)) for g in groups]


def test_a_group_says_what_its_alerts_share_and_begins_with_the_first() -> None:
    rng = random.Random(1)
    storm = [alert(number, rng, node="node-7") for number in range(37)]
    rng.shuffle(storm)
    (group,) = group_alerts(storm)
    assert group.cause == SharedCause("node", "node-7")
    assert group.alerts[0].object == "shop/job-0"


def test_what_shares_nothing_is_together_at_the_end() -> None:
    rng = random.Random(2)
    storm = [alert(n, rng, node=f"n{n}", image=f"i{n}", last_line=f"word{'abc' * n} broke") for n in range(8)]
    (group,) = group_alerts(storm)
    assert (group.cause, len(group.alerts)) == (None, 8)
    assert group_alerts([]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dial tcp 10.0.0.4:5432: connection refused", "dial tcp 10.1.9.77:5433: connection refused"),
        (
            "job 6f1c2d34-aaaa-bbbb-cccc-0123456789ab was lost",
            "job 00000000-aaaa-bbbb-cccc-0123456789ab was lost",
        ),
        ("open /var/lib/a/b: no space left", "open /srv/x: no space left"),
        ('relation "orders" does not exist', 'relation "users" does not exist'),
    ],
)
def test_lines_of_one_cause_are_one_line(one: str, other: str) -> None:
    assert normalise_line(one) == normalise_line(other) is not None


@pytest.mark.parametrize("line", ["exit code 1", "Error", "137", "It ended with 3 after 4 s"])
def test_a_line_that_says_nothing_is_no_cause(line: str) -> None:
    assert normalise_line(line) is None
