"""Who this daemon is: a name that its state folder keeps, so that a restart is no stranger."""

import secrets
import socket

from kronkeep_common.clock import Clock
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import DAEMON_NAME


def holder_of(history: History, clock: Clock) -> str:
    """This machine's name and some random letters, made once for a state folder."""
    fact = history.facts.get(DAEMON_NAME)
    if fact is not None and fact.name is not None:
        return fact.name
    name = f"{socket.gethostname()[:100]}-{secrets.token_hex(4)}"
    history.facts.set(DAEMON_NAME, clock.now(), name=name)
    return name
