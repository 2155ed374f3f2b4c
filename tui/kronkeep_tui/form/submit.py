"""A filled form on its way to the daemon; on any error it stays as it is, and says more."""

from typing import TYPE_CHECKING

from kronkeep_common.errors import DaemonUnreachable, KronkeepError, PreconditionFailed
from kronkeep_common.models import CronJob, CronJobCreate
from kronkeep_tui.form.form_state import Filling
from kronkeep_tui.form.merge import NAMES, Difference

if TYPE_CHECKING:
    from kronkeep_common.client import Client

NAMED = 3


async def send(client: "Client", filling: Filling, spec: CronJobCreate, *, dry_run: bool) -> CronJob:
    """Creates or changes the CronJob; raises what the daemon refuses with.

    One that somebody else changed since the form was opened is not overwritten: the form takes in what they
    changed and PreconditionFailed names it; sent again, it replaces what was then read.
    """
    try:
        if filling.target is None:
            return await client.cronjobs.create(spec, dry_run=dry_run)
        return await client.cronjobs.replace(spec, dry_run=dry_run, if_match=filling.tag)
    except DaemonUnreachable as error:
        words = "No daemon answers; what you typed is kept."
        raise DaemonUnreachable(words, next_step="ctrl+s sends it again.") from error
    except PreconditionFailed as error:
        assert filling.target is not None
        now = await client.cronjobs.tagged_spec(*filling.target)
        if now.spec == spec:  # it was sent before, and only the answer got lost
            return await client.cronjobs.get(*filling.target)
        raise _met(filling.meet(now)) from error


def _met(found: list[Difference]) -> KronkeepError:
    names = [NAMES[one.path] for one in found]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    what = (", ".join(names[:NAMED]) + more) or "it"
    collide = any(one.collides for one in found)
    step = "ctrl+t takes theirs, ctrl+s sends yours." if collide else "Look, then ctrl+s sends it."
    return PreconditionFailed(f"Somebody else changed {what} meanwhile.", next_step=step)
