"""Which kept logs go where there are too many bytes of them; pure.

A namespace beyond its own limit loses its own oldest logs, never another's. Beyond the limit of all together,
the largest namespaces are cut to one common size, so that the smaller ones lose nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kronkeep_common.models import LogLimit
from kronkeep_daemon.history.log_usage import RecordLogs

ROOM = 0.9  # of a limit that is used after a removal, so that not each new log needs another one


class LogLimits(msgspec.Struct, frozen=True):
    """Bytes of the kept logs of one namespace, and of all."""

    namespace: int
    total: int


class LogTarget(msgspec.Struct, frozen=True, kw_only=True):
    """To how many bytes a namespace is cut, and the limit that was passed, with its bytes."""

    bytes: int
    limit: LogLimit
    limit_bytes: int


def find_targets(usage: Mapping[str, int], limits: LogLimits) -> dict[str, LogTarget]:
    """Return the namespaces that are to lose logs."""
    own = int(limits.namespace * ROOM)
    targets = {
        namespace: LogTarget(bytes=own, limit="namespace", limit_bytes=limits.namespace)
        for namespace, used in usage.items()
        if used > limits.namespace
    }
    rest = {namespace: own if namespace in targets else used for namespace, used in usage.items()}
    if sum(rest.values()) > limits.total:
        common = _common_size(rest.values(), int(limits.total * ROOM))
        for namespace, used in rest.items():
            if used > common:
                targets[namespace] = LogTarget(bytes=common, limit="total", limit_bytes=limits.total)
    return targets


def _common_size(sizes: Iterable[int], total: int) -> int:
    """Return the size to which the largest are cut so that all together have `total` bytes."""
    ascending = sorted(sizes)
    for number, used in enumerate(ascending):
        share = total // (len(ascending) - number)
        if used > share:
            return share
        total -= used
    return ascending[-1]


def select_oldest(records: Sequence[RecordLogs], target: int) -> list[RecordLogs]:
    """Return the records whose logs go so that the others have at most `target` bytes, the oldest first."""
    left = sum(record.bytes for record in records)
    going: list[RecordLogs] = []
    for record in sorted(records, key=_oldest_first):
        if left <= target:
            break
        going.append(record)
        left -= record.bytes
    return going


def _oldest_first(record: RecordLogs) -> tuple[float, str]:
    return record.saved_at, record.folder
