"""One record of any kind, by what people write for it: an id or its beginning, a name, NAMESPACE/NAME."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from kronkeep_common.errors import AmbiguousId, InvalidRequest, NotFound, PolicyNotFound
from kronkeep_common.name_suggestions import suggest_name
from kronkeep_common.text import clean
from kronkeep_tui.cli.arguments import split_name
from kronkeep_tui.cli.record_ids import find_backup_id, find_run_id, last_part

if TYPE_CHECKING:
    from kronkeep_common.client import Client

# Kinds of which one can be shown, as lists call them; an entry of the queue has no name.
KINDS = (
    "cronjobs",
    "executions",
    "backups",
    "copies",
    "restores",
    "storages",
    "policies",
    "manifests",
    "sinks",
    "alerts",
    "silences",
    "maintenance",
)


async def fetch_record(client: "Client", kind: str, word: str, namespace: str = "default") -> Any:
    """Return the record of a kind that a word means; raise what the daemon does for one that is not there.

    namespace: that of a CronJob whose name is written without one.
    Raises InvalidRequest for the kind `queue`.
    """
    by_id: dict[str, Callable[[str], Awaitable[object]]] = {
        "copies": client.copies.get,
        "restores": client.restores.get,
        "storages": client.storages.get,
        "alerts": client.alerts.get,
        "silences": client.silences.get,
        "maintenance": client.maintenance.get,
    }
    if kind in by_id:
        return await by_id[kind](last_part(word))
    match kind:
        case "cronjobs":
            return await client.cronjobs.get(*split_name(word, namespace))
        case "executions":
            return await client.runs.get(await find_run_id(client, word, namespace))
        case "backups":
            return await client.backups.get(await find_backup_id(client, word, namespace))
        case "policies":
            return await _fetch_policy(client, word, namespace)
        case "manifests":
            return _find_named((await client.manifests()).items, "file", word, "manifest")
        case "sinks":
            return _find_named((await client.sinks()).items, "name", word, "sink")
    raise InvalidRequest(
        f"One of the {kind} cannot be asked for alone.", next_step=f"List them: kronkeep get {kind}."
    )


async def _fetch_policy(client: "Client", word: str, namespace: str) -> object:
    """Return the policy of a CronJob or claim, or the one whose id begins with the word."""
    ref = split_name(word, namespace)
    policies = (await client.policies.list()).items
    matching = [each for each in policies if (each.namespace, each.cronjob) == ref]
    matching = matching or [each for each in policies if each.id.startswith(last_part(word))]
    if len(matching) == 1:
        return matching[0]
    names = [f"{each.namespace}/{each.cronjob}" for each in matching or policies]
    if matching:
        raise AmbiguousId(
            f"More than one policy has an id that begins with {clean(word, 80)}: "
            f"{clean(', '.join(names[:5]), 500)}.",
            next_step="Write more of the id, or NAMESPACE/NAME of the CronJob.",
        )
    message = f"{clean('/'.join(ref), 320)} has no policy."
    raise PolicyNotFound(message, next_step=suggest_name("/".join(ref), names, "kronkeep get policies"))


def _find_named(records: Sequence[Any], field: str, word: str, noun: str) -> object:
    for record in records:
        if getattr(record, field) == word:
            return record
    names = [getattr(record, field) for record in records]
    raise NotFound(
        f"There is no {noun} {clean(repr(word), 200)}.",
        next_step=suggest_name(word, names, f"kronkeep get {noun}s"),
    )
