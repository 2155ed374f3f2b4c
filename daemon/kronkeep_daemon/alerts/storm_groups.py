"""Which alerts of a storm have one cause: pure functions of alerts.

What alerts of one cause share is the last line of their logs (without its numbers, names and addresses), the
node, the image or the storage. Each value that several alerts share may be a cause. Any alert has several
such values, and most are there by chance: what fails on every node fails on node-7 too. Which value explains
an alert is found as in a mixture of distributions, by expectation and maximisation: a cause that explains
all alerts with its value stays, and one whose alerts others explain better fades away.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from kronkeep_common.models import Alert
from kronkeep_common.text import clip

SMALLEST = 3  # alerts that make a group
MOST_GROUPS = 6  # of one storm; the others are one message
ROUNDS = 40
PRICE = 0.01  # part of all alerts that a cause costs: of two explanations the one with fewer causes wins
LINE_LENGTH = 160
_VARIABLE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|\b(?:0x)?[0-9a-f]*[0-9][0-9a-f]{5,}\b|\b[0-9]+(?:[.:,/-][0-9]+)*\b"
    r"|'[^']*'|\"[^\"]*\"|(?:/[\w.-]+){2,}/?"
)
_SPACES = re.compile(r"\s+")
_GENERIC = re.compile(r"exit code|ended with|signal #")


class SharedCause(NamedTuple):
    """What alerts share: `kind` is `line`, `node`, `image` or `storage`."""

    kind: str
    value: str

    @property
    def text(self) -> str:
        """What the alerts share, in a sentence."""
        return _CAUSE_TEXTS[self.kind].format(value=self.value)


_CAUSE_TEXTS = {
    "line": "The logs of all end alike: {value}",
    "node": "All ran on the node {value}.",
    "image": "All run the image {value}.",
    "storage": "All are about the storage {value}.",
}


class StormGroup(NamedTuple):
    """Alerts of one cause, the oldest problem first; without a cause, those that share nothing."""

    cause: SharedCause | None
    alerts: list[Alert]


def group_alerts(alerts: Sequence[Alert]) -> list[StormGroup]:
    """Return the alerts by their causes, the largest group first, and last those that share nothing."""
    candidates = [_candidates(alert) for alert in alerts]
    sizes = Counter(cause for causes in candidates for cause in causes)
    shared = [[cause for cause in causes if sizes[cause] >= SMALLEST] for causes in candidates]
    members: dict[SharedCause | None, list[Alert]] = defaultdict(list)
    for alert, cause in zip(alerts, _choose_causes(shared, sizes), strict=True):
        members[cause].append(alert)
    causes = sorted((cause for cause in members if cause), key=lambda cause: (-len(members[cause]), cause))
    groups = [
        StormGroup(cause, sorted(members[cause], key=attrgetter("since", "id")))
        for cause in causes[:MOST_GROUPS]
        if len(members[cause]) >= SMALLEST
    ]
    grouped = {alert.id for group in groups for alert in group.alerts}
    rest = sorted((alert for alert in alerts if alert.id not in grouped), key=attrgetter("since", "id"))
    return [*groups, StormGroup(None, rest)] if rest else groups


def find_cause(alerts: Sequence[Alert]) -> SharedCause | None:
    """Return what all of some alerts share, the most telling first; None where they share nothing."""
    common = set.intersection(*(set(_candidates(alert)) for alert in alerts))
    return next((cause for kind in _CAUSE_TEXTS for cause in common if cause.kind == kind), None)


def _candidates(alert: Alert) -> list[SharedCause]:
    values = {
        "line": normalise_line(alert.last_line or alert.message, (alert.cronjob, alert.namespace)),
        "node": alert.node,
        "image": alert.image,
        "storage": None if alert.code.startswith("Run") else alert.storage_id,
    }
    return [SharedCause(kind, value) for kind, value in values.items() if value]


def normalise_line(line: str, names: Sequence[str | None] = ()) -> str | None:
    """Return a line without what differs between alerts of one cause; None for one that says too little."""
    text = line.lower()
    for name in names:
        if name and len(name) > 2:
            text = text.replace(name.lower(), "#")
    text = _SPACES.sub(" ", _VARIABLE.sub("#", text)).strip()
    is_telling = sum(letter.isalpha() for letter in text) >= 8 and not _GENERIC.search(text)
    return clip(text, LINE_LENGTH) if is_telling else None


def _choose_causes(
    shared: Sequence[Sequence[SharedCause]], sizes: Counter[SharedCause]
) -> list[SharedCause | None]:
    """Return the cause of each alert, of those that it shares with others.

    An alert may have the values of two causes. Then the one of the kind with more values counts: that an
    alert is on the failing node by chance is likely, that it has a failing database's line by chance is not.
    """
    lasting = _find_lasting_causes(shared, sizes)
    variety = Counter(cause.kind for cause in sizes)
    return [
        max(
            (cause for cause in causes if cause in lasting),
            key=lambda cause: (variety[cause.kind], cause),
            default=None,
        )
        for causes in shared
    ]


def _find_lasting_causes(
    shared: Sequence[Sequence[SharedCause]], sizes: Counter[SharedCause]
) -> set[SharedCause]:
    """Return the values that explain alerts which no other value explains better.

    Of a cause that makes alerts with weight w, and a value that a part p of all alerts has, the chance that
    it made one of these is as w / p: the other values of an alert are there by chance, whatever made it.
    """
    explained = {cause: float(size) for cause, size in sizes.items() if size >= SMALLEST}
    price = PRICE * len(shared)
    for _ in range(ROUNDS):
        ratios = {cause: max(0.0, number - price) / sizes[cause] for cause, number in explained.items()}
        explained = dict.fromkeys(explained, 0.0)
        for causes in shared:
            total = sum(ratios[cause] for cause in causes)
            for cause in causes:
                explained[cause] += ratios[cause] / total if total else 0.0
    return {cause for cause, number in explained.items() if number >= max(SMALLEST, price)}
