"""What the rules in a form would do to the backups that there are, before they are saved."""

from typing import TYPE_CHECKING

from kronkeep_common.errors import DaemonUnreachable, KronkeepError
from kronkeep_common.models import Retention, RetentionPlan

if TYPE_CHECKING:
    from kronkeep_common.client import Client

RULES = "policy.retention."  # begins the paths of their fields


class RetentionTrial:
    """The rules that were tried last, and what they would do once the daemon has said so."""

    def __init__(self) -> None:
        self.rules: Retention | None = None
        self.plan: RetentionPlan | None = None
        self.error: KronkeepError | None = None

    def set_rules(self, rules: Retention) -> bool:
        """Note the rules to try; return whether they have to be asked about."""
        is_known = self.plan is not None or not (
            self.error is None or isinstance(self.error, DaemonUnreachable)
        )
        if rules == self.rules and is_known:
            return False
        if rules != self.rules:
            self.plan = None
        self.rules = rules
        self.error = None
        return True

    async def ask(self, rules: Retention, client: "Client", namespace: str, name: str) -> None:
        """Ask the daemon what rules would do to the backups of a CronJob, or of a claim as `pvc/NAME`."""
        plan: RetentionPlan | None = None
        error: KronkeepError | None = None
        try:
            plan = await client.policies.preview_retention(namespace, name, rules)
        except KronkeepError as refused:
            error = refused
        if rules == self.rules:
            self.plan = plan
            self.error = error
