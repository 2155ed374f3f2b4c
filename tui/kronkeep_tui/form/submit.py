"""Sending a form to the daemon; on any error the form keeps what was typed."""

from typing import TYPE_CHECKING

from kronkeep_common.errors import DaemonUnreachable, KronkeepError, PreconditionFailed
from kronkeep_common.models import CronJob, CronJobCreate
from kronkeep_tui.form.concurrent_changes import FULL_LABELS, ConcurrentChange
from kronkeep_tui.form.form_state import FormState
from kronkeep_tui.shell_commands import (
    ShellCommand,
    cronjob_route,
    lines_of_change,
    lines_of_manifest,
)
from kronkeep_tui.store import Store

if TYPE_CHECKING:
    from kronkeep_common.client import Client

NAMED = 3


async def submit_form(client: "Client", filling: FormState, spec: CronJobCreate, *, dry_run: bool) -> CronJob:
    """Create or change the CronJob of a form; raise what the daemon refuses with.

    A CronJob that somebody else changed since the form was opened is not overwritten. The form takes in the
    changes, and PreconditionFailed names them; sent again, it replaces what was read then.
    """
    try:
        if filling.claim is not None:
            return await _send_claim_policy(client, filling, spec, dry_run=dry_run)
        if filling.target is None:
            return await client.cronjobs.create(spec, dry_run=dry_run)
        return await client.cronjobs.replace(spec, dry_run=dry_run, if_match=filling.tag)
    except DaemonUnreachable as error:
        message = "No daemon answers; what you typed is kept."
        raise DaemonUnreachable(message, next_step="ctrl+s sends it again.") from error
    except PreconditionFailed as error:
        assert filling.target is not None
        now = await client.cronjobs.spec_with_tag(*filling.target)
        if now.spec == spec:  # an earlier request arrived, and only its answer was lost
            return await client.cronjobs.get(*filling.target)
        raise _error_of_changes(filling.take_in_changes(now)) from error


def lines_of_form(filling: FormState, spec: CronJobCreate, store: Store) -> tuple[ShellCommand, ...]:
    """Return what a form has sent as lines for a shell."""
    cluster = store.cluster_option(filling.cluster) if filling.cluster else ""
    if filling.claim is not None:
        path = f"/v1/claims/{spec.namespace}/{filling.claim}/policy"
        return lines_of_change((), path, method="PUT", body=spec.policy, cluster=cluster)
    if filling.target is None:
        return lines_of_manifest("CronJob", spec, "/v1/cronjobs")
    route = cronjob_route(spec.namespace, spec.name)
    return lines_of_manifest("CronJob", spec, route, method="PUT", cluster=cluster)


async def _send_claim_policy(
    client: "Client", filling: FormState, spec: CronJobCreate, *, dry_run: bool
) -> CronJob:
    """Give a claim the policy of a form; a policy that somebody else changed is not overwritten unseen."""
    assert filling.target is not None
    assert filling.claim is not None
    assert spec.policy is not None
    namespace, name = filling.target
    now = await filling.read(client)
    if filling.is_changed_elsewhere(now):
        raise _error_of_changes(filling.take_in_changes(now))
    saved = await client.policies.set_for_claim(namespace, filling.claim, spec.policy, dry_run=dry_run)
    return await client.cronjobs.get(namespace, name) if not dry_run else saved


def _error_of_changes(changes: list[ConcurrentChange]) -> KronkeepError:
    names = [FULL_LABELS[change.path] for change in changes]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    what = (", ".join(names[:NAMED]) + more) or "it"
    collide = any(change.collides for change in changes)
    step = "ctrl+t takes theirs, ctrl+s sends yours." if collide else "Look, then ctrl+s sends it."
    return PreconditionFailed(f"Somebody else changed {what} meanwhile.", next_step=step)
