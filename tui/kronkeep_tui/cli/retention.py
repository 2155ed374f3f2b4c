"""`kronkeep retention`, `pin` and `unpin`: which snapshots stay, why, and the removal of the others."""

import argparse
from datetime import tzinfo
from typing import TYPE_CHECKING, NamedTuple

from kronkeep_common.display_zone import format_rfc3339, local_zone
from kronkeep_common.errors import Conflict, CronJobNotFound, InvalidRequest, NotFound, PolicyNotFound
from kronkeep_common.models import Retention, RetentionPlan, SnapshotVerdict
from kronkeep_common.text import clean, count_words, short_id, stay_words
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import CRONJOB_NAME_HELP, add_namespace, split_name
from kronkeep_tui.cli.record_ids import BACKUP_HELP, find_backup_id
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client, with_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client

RULES = (
    "days",
    "keep_last",
    "keep_hourly",
    "keep_daily",
    "keep_weekly",
    "keep_monthly",
    "keep_yearly",
    "min_good",
)
_POLICY = "/v1/policies/{id}/retention"
NOT_CARRIED = (
    "does not carry this policy any more: by its rules, as they were last recorded, snapshots go only with "
    "--apply, or where archive.apply_orphans_retention is set."
)


class NamedPolicy(NamedTuple):
    """The policy that is meant, and the name of its CronJob where that was given.

    `note` is what to say of a policy that the CronJob carried before it was deleted or got another.
    """

    id: str
    cronjob: str | None = None
    note: str | None = None


def add_parser(verbs: Verbs) -> None:
    """Add the parsers of `retention`, `pin` and `unpin` to `verbs`."""
    retention = add_verb(
        verbs,
        "retention",
        routes=[
            f"GET {_POLICY}",
            "POST /v1/retention/preview",
            f"POST {_POLICY}/apply",
            f"POST {_POLICY}/approve",
        ],
        help="show what a policy's retention would remove, and why it keeps the rest; apply or approve it",
    )
    retention.add_argument("name", help=CRONJOB_NAME_HELP)
    for rule in RULES:
        help_text = "show what this rule would do in place of the policy's rules"
        retention.add_argument(f"--{rule.replace('_', '-')}", type=int, metavar="N", help=help_text)
    retention.add_argument(
        "--policy",
        metavar="ID",
        help="of a policy that no CronJob carries any more (kronkeep storage orphans)",
    )
    retention.add_argument("--copy", metavar="STORAGE", help="of the policy's copy in this storage")
    retention.add_argument(
        "--apply", action="store_true", help="remove the snapshots, where that needs no approval"
    )
    retention.add_argument(
        "--approve", metavar="TOKEN", help="remove exactly the snapshots of the plan with this token"
    )
    output.add_zone(retention, "the zone of times")
    output.add_json(retention)
    add_namespace(retention)
    retention.set_defaults(func=with_client(_retention))
    for name in ("pin", "unpin"):
        verb = add_verb(verbs, name, routes=[f"POST /v1/backups/{{id}}/{name}"])
        verb.add_argument("id", help=BACKUP_HELP)
        add_namespace(verb)
        output.add_json(verb)
        verb.set_defaults(func=with_blocking_client(_pin_or_unpin))


async def _retention(client: "Client", options: argparse.Namespace) -> int:
    namespace, name = split_name(options.name, options.namespace)
    zone = options.zone or local_zone()
    rules = {rule: value for rule in RULES if (value := getattr(options, rule)) is not None}
    if rules:
        if options.copy:
            raise InvalidRequest("Rules cannot be tried on a copy.", field="copy")
        if options.apply or options.approve:
            raise InvalidRequest(
                "Rules can only be tried here: those of the policy are applied.",
                next_step=f"Change the policy: kronkeep edit {namespace}/{name}; then --apply without rules.",
            )
        preview = await client.policies.preview_retention(namespace, name, Retention(**rules))
        _print_plan(preview, zone, options)
        return 0
    policy = NamedPolicy(options.policy) if options.policy else await find_policy(client, namespace, name)
    of = {"namespace": namespace, "cronjob": policy.cronjob, "copy": options.copy}
    plan = await client.policies.retention(policy.id, **of)
    if options.approve:
        await client.policies.approve_retention(policy.id, options.approve, **of)
    elif options.apply:
        await client.policies.apply_retention(policy.id, **of)
    else:
        _print_plan(plan, zone, options, note=policy.note)
        return 0
    snapshots = count_words(len(plan.remove), "snapshot")
    words = f"Removed {snapshots} of {namespace}/{name}"
    output.print_answer(plan, words, options)
    return 0


async def find_policy(client: "Client", namespace: str, name: str) -> NamedPolicy:
    """Return the policy of a CronJob or claim, or the last one that it had.

    Raises CronJobNotFound, PolicyNotFound, and Conflict where it carried several.
    """
    try:
        policy = (await client.cronjobs.get(namespace, name)).policy
        if policy is not None:
            return NamedPolicy(policy.id, name)
        refusal: NotFound = PolicyNotFound(f"{namespace}/{name} has no backup policy.")
    except CronJobNotFound as not_found:
        refusal = not_found
    page = await client.storages.orphans()
    meant = {each.id for each in page.clusters if client.cluster in (each.id, each.name)}
    orphans = [each for each in page.items if (each.namespace, each.cronjob) == (namespace, name)]
    orphans = [each for each in orphans if not meant or each.cluster in meant]
    if not orphans:
        raise refusal
    if len(orphans) > 1:
        ids = ", ".join(orphan.policy_id for orphan in orphans[:5])
        raise Conflict(
            f"{clean(f'{namespace}/{name}', 320)} carried more than one policy: {clean(ids, 500)}.",
            next_step="Name one: --policy ID, or its cluster: --cluster NAME.",
        )
    return NamedPolicy(orphans[0].policy_id, name, clean(f"{namespace}/{name} {NOT_CARRIED}", 600))


def _print_plan(
    plan: RetentionPlan, zone: tzinfo, options: argparse.Namespace, *, note: str | None = None
) -> None:
    if options.output == "json":
        output.print_document(plan, "json")
        return
    for verdict in plan.remove:
        print(_line("remove", verdict, zone))
    for verdict in plan.keep:
        print(_line("keep", verdict, zone))
    print(f"{len(plan.remove)} would go, {stay_words(len(plan.keep))}")
    if note is not None:
        print(note)
    if plan.held_by is not None:
        print(plan.held_by)
    elif plan.blocked_by is not None:
        print(f"{plan.blocked_by} To approve: --approve {plan.token}")


def _line(word: str, verdict: SnapshotVerdict, zone: tzinfo) -> str:
    when = format_rfc3339(verdict.created_at, zone)
    return clean(f"{word:6} {short_id(verdict.backup_id)} {when} {verdict.status:9} {verdict.why}")


async def _pin_or_unpin(client: "Client", options: argparse.Namespace) -> int:
    change = client.backups.pin if options.verb == "pin" else client.backups.unpin
    backup = await change(await find_backup_id(client, options.id, options.namespace))
    state = "pinned" if backup.pinned else "no longer pinned"
    output.print_answer(backup, f"{backup.id} is {state}", options)
    return 0
