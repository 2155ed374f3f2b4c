"""`kronkeep retention`, `pin` and `unpin`: which snapshots stay and why, and removing the others."""

import argparse
from typing import TYPE_CHECKING, Any

from kronkeep_common.errors import InvalidRequest, PolicyNotFound
from kronkeep_common.models import RetentionPlan, SnapshotVerdict
from kronkeep_common.text import clean
from kronkeep_tui.cli.verb_runner import add_verb, run, run_at_once, split_name

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
ROUTES = (
    f"GET {_POLICY}",
    "POST /v1/retention/preview",
    f"POST {_POLICY}/apply",
    f"POST {_POLICY}/approve",
)


def add_parser(verbs: Any) -> None:
    """Add the parsers of `retention`, `pin` and `unpin` to `verbs`."""
    retention = add_verb(
        verbs,
        "retention",
        *ROUTES,
        help="what a policy's retention would remove and why the rest stays; apply or approve it",
    )
    retention.add_argument("name", help="NAMESPACE/NAME of the CronJob, or NAME in the namespace default")
    for rule in RULES:
        words = "try this rule in place of the policy's"
        retention.add_argument(f"--{rule.replace('_', '-')}", type=int, metavar="N", help=words)
    retention.add_argument("--apply", action="store_true", help="remove it, where it needs no approval")
    retention.add_argument("--approve", metavar="TOKEN", help="remove exactly what the plan of TOKEN names")
    retention.set_defaults(func=run(_retention))
    for verb in ("pin", "unpin"):
        one = add_verb(verbs, verb, f"POST /v1/backups/{{id}}/{verb}")
        one.add_argument("id", help="the backup's id")
        one.set_defaults(func=run_at_once(_pin))


async def _retention(client: "Client", options: argparse.Namespace) -> int:
    from kronkeep_common.models import Retention

    namespace, name = split_name(options.name)
    rules = {rule: value for rule in RULES if (value := getattr(options, rule)) is not None}
    if rules:
        if options.apply or options.approve:
            raise InvalidRequest("Rules can only be tried; put them into the policy to apply them.")
        _show(await client.policies.preview_retention(namespace, name, Retention(**rules)))
        return 0
    policy = (await client.cronjobs.get(namespace, name)).policy
    if policy is None:
        raise PolicyNotFound(f"{namespace}/{name} has no backup policy.")
    plan = await client.policies.retention(policy.id)
    if options.approve:
        await client.policies.approve_retention(policy.id, options.approve)
    elif options.apply:
        await client.policies.apply_retention(policy.id)
    else:
        _show(plan)
        return 0
    print(f"{len(plan.remove)} snapshots of {namespace}/{name} are removed")
    return 0


def _show(plan: RetentionPlan) -> None:
    for word, verdicts in (("remove", plan.remove), ("keep", plan.keep)):
        for verdict in verdicts:
            print(_line(word, verdict))
    print(f"{len(plan.remove)} would go, {len(plan.keep)} stay")
    if plan.blocked_by is not None:
        print(f"{plan.blocked_by} To approve: --approve {plan.token}")


def _line(word: str, verdict: SnapshotVerdict) -> str:
    when = verdict.created_at.strftime("%Y-%m-%d %H:%M:%SZ")
    return clean(f"{word:6} {verdict.backup_id} {when} {verdict.status:9} {verdict.why}")


async def _pin(client: "Client", options: argparse.Namespace) -> int:
    change = client.backups.pin if options.verb == "pin" else client.backups.unpin
    backup = await change(options.id)
    print(f"{backup.id} is {'pinned' if backup.pinned else 'no longer pinned'}")
    return 0
