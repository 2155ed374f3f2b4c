"""Who this daemon is: a name that its state folder keeps, so that a restart is no stranger."""

import secrets
import socket

import msgspec
from tinydb import where

from kronkeep_common.clock import Clock
from kronkeep_daemon.history import History

_FACT = "daemon-id"


def holder_of(history: History, clock: Clock) -> str:
    """This machine's name and some random letters, made once for a state folder."""
    facts = history.table("facts")
    kept = facts.search(where("id") == _FACT)
    if kept:
        return str(kept[0]["name"])
    name = f"{socket.gethostname()[:100]}-{secrets.token_hex(4)}"
    facts.put_document(None, {"id": _FACT, "created_at": msgspec.to_builtins(clock.now()), "name": name})
    return name
