"""Whether a namespace that a storage serves is probably another one's name misspelt."""

from collections.abc import Collection, Iterable

from kronkeep_common.models.storage import EVERY_NAMESPACE
from kronkeep_common.name_suggestions import closest_name
from kronkeep_common.text import clean

MOST_NAMESPACES = 20  # that are looked at


def find_warnings(known: Collection[str], namespaces: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence about each namespace without a CronJob whose name is like one that has some.

    A storage may be made before the first CronJob of a namespace, so an unknown name alone is no fault.

    known: the namespaces that have CronJobs, from the watches: reading namespaces would be one more right.
    """
    unknown = sorted(set(namespaces) - set(known) - {EVERY_NAMESPACE})[:MOST_NAMESPACES]
    near = {name: closest_name(name, known) for name in unknown}
    return tuple(
        f"No CronJob is in the namespace {clean(name, 63)} yet. Did you mean {clean(other, 63)}?"
        for name, other in near.items()
        if other is not None
    )
