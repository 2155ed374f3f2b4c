"""The Python client of kronkeep's API, asynchronous or blocking, with one attribute a resource.

    async with Client() as client:
        run = await client.cronjobs.trigger("default", "shop-db-dump")

    for run in SyncClient().runs.list(filter="status:failed age:<24h").items: ...

Every method raises the error class of `kronkeep_common.errors` whose code the daemon answers, and
DaemonUnreachable where nobody answers.
"""

from kronkeep_common.client.client import Client
from kronkeep_common.client.sync_client import SyncClient

__all__ = ["Client", "SyncClient"]
