"""How long `restic backup` took before it read the first file: it opens the repository and loads its index.

That grows with the snapshots and the index of a repository, and tells when it has become too crowded. The
times are those that the kubelet writes before each line of a log.
"""

import re
from datetime import datetime

from kronkeep_common.json_decoding import JsonObject, decode_or_none

_LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z (.*)")


def measure(before: bytes, log: bytes) -> float | None:
    """Return the seconds until its first progress, or its end where that came first; None where not known.

    before: the log of the step before it in the same container, whose end is its beginning.
    log: that of `restic backup --json`.
    """
    begins = [match for line in before.splitlines() if (match := _LINE.fullmatch(line))]
    if not begins:
        return None
    for line in log.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None and _has_progress(match[3]):
            return max(0.0, round(_seconds_of(match) - _seconds_of(begins[-1]), 3))
    return None


def _has_progress(text: bytes) -> bool:
    message = decode_or_none(text, JsonObject) if text.startswith(b"{") else None
    if message is None:
        return False
    if message.get("message_type") == "summary":
        return True
    return message.get("message_type") == "status" and bool(
        message.get("bytes_done") or message.get("files_done") or message.get("current_files")
    )


def _seconds_of(match: "re.Match[bytes]") -> float:
    whole = datetime.fromisoformat(f"{match[1].decode()}+00:00").timestamp()
    return whole + float(f"0.{(match[2] or b'0').decode()}")
