"""How the two schedules of a form fit, as the daemon or this side checks them, and how to end a conflict."""

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from kronkeep_common.compatibility import DEFAULT_DURATION, CheckContext, check, offer_resolutions
from kronkeep_common.errors import InvalidRequest, KronkeepError, ScheduleConflict
from kronkeep_common.models import CronJobCreate, Resolution, ScheduleCheckRequest, ScheduleVerdict
from kronkeep_common.schedule import Schedule
from kronkeep_tui.form.draft import Draft
from kronkeep_tui.form.value_texts import read_duration

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.clock import Clock


def check_request(draft: Draft, existing: tuple[str, str] | None) -> ScheduleCheckRequest | None:
    """Make the request that checks a draft's schedules; None where there are not two that can be read.

    `existing` is the namespace and name of the CronJob that is being changed.
    """
    schedule = draft.get("schedule", "").strip()
    backup = draft.get("policy.schedule", "").strip()
    storage = draft.get("policy.storage_id", "").strip()
    zone = draft.get("time_zone", "").strip()
    backup_zone = draft.get("policy.time_zone", "").strip()
    try:
        Schedule.parse(schedule, zone or None)
        Schedule.parse(backup, backup_zone or None)
        stated = draft.get("policy.expected_duration_seconds", "").strip()
        expected = read_duration(stated) if stated else None
    except KronkeepError:
        return None
    if not storage:
        return None
    return ScheduleCheckRequest(
        cronjob_schedule=schedule,
        cronjob_time_zone=zone or None,
        backup_schedule=backup,
        backup_time_zone=backup_zone or None,
        expected_duration_seconds=expected,
        namespace=existing[0] if existing else None,
        cronjob=existing[1] if existing else None,
        storage_id=storage,
    )


def check_locally(request: ScheduleCheckRequest, now: datetime) -> ScheduleVerdict:
    """Check the schedules without the daemon, which would know recent runs and other policies, too."""
    backup = Schedule.parse(request.backup_schedule, request.backup_time_zone)
    cronjob = Schedule.parse(request.cronjob_schedule, request.cronjob_time_zone)
    stated = request.expected_duration_seconds
    expected = DEFAULT_DURATION if stated is None else timedelta(seconds=stated)
    context = CheckContext(cronjob=cronjob, now=now, run_duration=expected)
    verdict = check(context, backup)
    return msgspec.structs.replace(verdict, resolutions=tuple(offer_resolutions(backup, context, verdict)))


class ConflictFix(NamedTuple):
    """A change that ends a conflict: texts by field, the field to go to, and a message with its colour."""

    texts: dict[str, str]
    at: str
    message: str
    role: str = "ok"


class ScheduleFit:
    """The last request to check the schedules, and its verdict once that has come."""

    def __init__(self) -> None:
        self.asked: ScheduleCheckRequest | None = None
        self.verdict: ScheduleVerdict | None = None
        self.is_local = False

    @property
    def is_waited_for(self) -> bool:
        """Whether schedules were asked about, and the verdict has not come."""
        return self.asked is not None and self.verdict is None

    def set_request(self, request: ScheduleCheckRequest | None) -> bool:
        """Note a request; return whether it differs from the last one, whose verdict is then dropped."""
        if request == self.asked:
            return False
        self.asked = request
        self.verdict = None
        return True

    async def ask(self, request: ScheduleCheckRequest, client: "Client", clock: "Clock") -> None:
        """Let the daemon check, which knows runs and other policies; check here where it does not answer."""
        try:
            verdict = await client.policies.check_schedule(request)
            alone = False
        except KronkeepError:
            verdict = await asyncio.to_thread(check_locally, request, clock.now())
            alone = True
        if request == self.asked:
            self.verdict = verdict
            self.is_local = alone

    def offer_of(self, strategy: str) -> Resolution | None:
        """Return what a strategy would do; None where there is no conflict."""
        resolutions = self.verdict.resolutions if self.verdict else ()
        return next((offer for offer in resolutions if offer.strategy == strategy), None)

    def fix_conflict(self, strategy: str) -> ConflictFix:
        """Return the change that a strategy makes to the form; raise InvalidRequest where it has none."""
        offer = self.offer_of(strategy)
        if offer is None or not offer.possible:
            message = offer.message if offer else "There is no conflict to fix."
            raise InvalidRequest(message, next_step="f7 runs the backup after each run." if offer else "")
        if strategy == "shift":
            return ConflictFix(
                texts={"policy.schedule": offer.schedule or ""}, at="policy.schedule", message=offer.message
            )
        if strategy == "after-run":
            follows = {"policy.schedule": "", "policy.time_zone": ""}
            return ConflictFix(texts=follows, at="policy.schedule", message=offer.message)
        return ConflictFix(
            texts={"policy.on_conflict": "accept"},
            at="policy.on_conflict",
            message=offer.message,
            role="warn",
        )

    def require_no_conflict(self, spec: CronJobCreate) -> None:
        """Raise ScheduleConflict where the daemon would refuse, with the keys that end the conflict."""
        if self.verdict is None or self.verdict.verdict != "conflict" or spec.policy is None:
            return
        if spec.policy.on_conflict == "reject":
            finding = next(one for one in self.verdict.findings if one.severity == "conflict")
            keys = "f6 moves the backup, f7 follows the run, f8 accepts it."
            raise ScheduleConflict(f"{finding.code}: {keys}", next_step="Nothing was sent.")
