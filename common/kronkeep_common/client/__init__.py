"""The Python way to script kronkeep: one class over the daemon's Unix socket, asynchronous or not.

    async with Client() as client:
        run = await client.trigger("default", "shop-db-dump")

    for run in SyncClient().executions(filter="status:failed age:<24h").items: ...

Every method raises the error classes of kronkeep_common.errors, by the code the daemon answered;
DaemonUnreachable when nobody answers.
"""

from kronkeep_common.client.calls import Client
from kronkeep_common.client.sync import SyncClient

__all__ = ["Client", "SyncClient"]
