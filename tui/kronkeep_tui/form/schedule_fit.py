"""How the schedules of a form fit: asked of the daemon, reckoned here without it, and settled by one key."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from kronkeep_common.errors import InvalidRequest, KronkeepError, ScheduleConflict
from kronkeep_common.models import CronJobCreate, Resolution, ScheduleCheckRequest, ScheduleVerdict
from kronkeep_tui.form import preview

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.clock import Clock


class Settled(NamedTuple):
    """What settles a conflict: the texts to put in, the field to go to, and what is said."""

    texts: dict[str, str]
    at: str
    message: str
    role: str = "ok"


class Fit:
    """The last question about the schedules, and its answer once that is there."""

    def __init__(self) -> None:
        self.asked: ScheduleCheckRequest | None = None
        self.verdict: ScheduleVerdict | None = None
        self.alone = False

    def is_new(self, request: ScheduleCheckRequest | None) -> bool:
        """Whether it is another question than the last one, whose answer is then forgotten."""
        if request == self.asked:
            return False
        self.asked = request
        self.verdict = None
        return True

    async def ask(self, request: ScheduleCheckRequest, client: "Client", clock: "Clock") -> None:
        """Asks the daemon, which knows runs and other policies; without it, reckons here."""
        try:
            verdict = await client.policies.check_schedule(request)
            alone = False
        except KronkeepError:
            verdict = await asyncio.to_thread(preview.reckon, request, clock.now())
            alone = True
        if request == self.asked:
            self.verdict = verdict
            self.alone = alone

    def offer(self, strategy: str) -> Resolution | None:
        """What a strategy would do; None where there is no conflict."""
        found = self.verdict.resolutions if self.verdict else ()
        return next((offer for offer in found if offer.strategy == strategy), None)

    def settle(self, strategy: str) -> Settled:
        """What a strategy puts into the form; raises InvalidRequest where there is no way."""
        offer = self.offer(strategy)
        if offer is None or not offer.possible:
            words = offer.message if offer else "There is no conflict to settle."
            raise InvalidRequest(words, next_step="f7 runs the backup after each run." if offer else "")
        if strategy == "shift":
            return Settled(
                texts={"policy.schedule": offer.schedule or ""}, at="policy.schedule", message=offer.message
            )
        if strategy == "after-run":
            follows = {"policy.schedule": "", "policy.time_zone": ""}
            return Settled(texts=follows, at="policy.schedule", message=offer.message)
        return Settled(
            texts={"policy.on_conflict": "accept"},
            at="policy.on_conflict",
            message=offer.message,
            role="warn",
        )

    def refuse(self, spec: CronJobCreate) -> None:
        """Raises ScheduleConflict for what the daemon would refuse, with the keys that settle it."""
        if self.verdict is None or self.verdict.verdict != "conflict" or spec.policy is None:
            return
        if spec.policy.on_conflict == "reject":
            finding = next(one for one in self.verdict.findings if one.severity == "conflict")
            keys = "f6 moves the backup, f7 follows the run, f8 accepts it."
            raise ScheduleConflict(f"{finding.code}: {keys}", next_step="Nothing was sent.")
