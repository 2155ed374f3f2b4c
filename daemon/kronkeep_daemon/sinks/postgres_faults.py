"""Errors of psycopg as those of a sink, by SQLSTATE (https://www.postgresql.org/docs/15/errcodes-appendix.html)."""

from kronkeep_common.errors import KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.sinks.errors import SinkRefused, SinkUnreachable

ROW_CLASSES = ("22", "23", "54")  # data, constraint, limit: the fault of one row
_PASSING_CLASSES = ("08", "53", "57", "40", "55", "58")  # lost, full, shutting down, deadlock, busy, disk
_NEXT_STEPS = {
    "28": "Correct user and password in the sink's URL, or the server's pg_hba.conf.",
    "3D": "Create the database on the server, or correct its name in the sink's URL.",
    "42": "Let the user create the schema kronkeep and write to it: GRANT CREATE ON DATABASE ... TO ...",
    "53": "Free space or connections on the database server; changes are kept meanwhile.",
    "25": "Name the primary server in the sink's URL: this one takes no changes.",
    "TLS": "Check the sink's sslmode and ca_file, and the server's certificate and name.",
}
# libpq gives no SQLSTATE for a connection that it could not open, only the server's words.
_WORDS = (
    ("authentication failed", "28"),
    ("no password supplied", "28"),
    ("pg_hba.conf", "28"),
    ("certificate", "TLS"),
    ("SSL", "TLS"),
    ("database", "3D"),
    ("role", "28"),
)


def class_of(state: str | None, text: str) -> str:
    """Return the class of an error: the first two characters of its SQLSTATE, or TLS; empty if not known."""
    if state:
        return state[:2]
    if "FATAL" not in text and "SSL" not in text and "certificate" not in text:
        return ""
    return next((name for words, name in _WORDS if words in text), "")


def translate_fault(text: str, state: str | None, secrets: tuple[str, ...]) -> KronkeepError:
    """Return an error of PostgreSQL or libpq as SinkUnreachable or SinkRefused, without the secrets."""
    for secret in secrets:
        text = text.replace(secret, "***")
    name = class_of(state, text)
    message = clean(" ".join(text.split()), 500)
    next_step = _NEXT_STEPS.get(name)
    if name in _PASSING_CLASSES or not name or "starting up" in text or "shutting down" in text:
        return SinkUnreachable(f"The database does not take changes: {message}", next_step=next_step)
    return SinkRefused(f"The database refuses: {message}", next_step=next_step)
