"""What settles a conflict: reject, shift, after-run, accept; each gives the changed policy and a sentence."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from kronkeep_common.compatibility.check import Question
from kronkeep_common.compatibility.shift import shift
from kronkeep_common.errors import ScheduleConflict
from kronkeep_common.models import BackupPolicySpec, Finding, Resolution, ScheduleVerdict
from kronkeep_common.schedule import Schedule


class Settled(NamedTuple):
    """A policy as a strategy leaves it, and what the strategy did, in one sentence; empty for nothing."""

    policy: BackupPolicySpec
    sentence: str


def resolve(
    strategy: str, policy: BackupPolicySpec, backup: Schedule, question: Question, verdict: ScheduleVerdict
) -> Settled:
    """Carries out a strategy on a policy with the schedule `backup`, which has the given verdict.

    Raises ScheduleConflict for `reject`, and for `shift` where no minute of the day fits.
    """
    conflict = next((finding for finding in verdict.findings if finding.severity == "conflict"), None)
    if conflict is None:
        return Settled(policy, "")
    match strategy:
        case "after-run":
            changed = msgspec.structs.replace(policy, schedule=None, time_zone=None)
            return Settled(changed, after_run_sentence(backup))
        case "accept":
            return Settled(policy, accept_sentence(verdict.findings))
        case "shift":
            return _shifted(policy, backup, question)
    raise ScheduleConflict(conflict.message, finding=conflict.code, field="policy.schedule")


def _shifted(policy: BackupPolicySpec, backup: Schedule, question: Question) -> Settled:
    found = shift(backup, question)
    if found is None:
        raise ScheduleConflict(
            shift_sentence(backup, None),
            next_step="Choose after-run, or another schedule.",
            finding="NoShift",
            field="policy.schedule",
        )
    return Settled(msgspec.structs.replace(policy, schedule=found.expr), shift_sentence(backup, found))


def after_run_sentence(backup: Schedule) -> str:
    """What `after-run` does."""
    return f"The backup starts when the run has ended; its schedule {backup.expr!r} is dropped."


def accept_sentence(findings: tuple[Finding, ...]) -> str:
    """What `accept` does."""
    codes = ", ".join(finding.code for finding in findings if finding.severity == "conflict")
    return f"The schedules stay as they are; the conflict stays on record ({codes})."


def shift_sentence(backup: Schedule, found: Schedule | None) -> str:
    """What `shift` does, or that it can do nothing."""
    if found is None:
        return f"No minute of the day fits {backup.expr!r} with its cadence kept."
    return f"The backup's schedule moves from {backup.expr!r} to {found.expr!r}: {found.describe()}."


def offers(backup: Schedule, question: Question, verdict: ScheduleVerdict) -> Iterator[Resolution]:
    """What each strategy would do about a conflict; nothing where there is none."""
    if verdict.verdict != "conflict":
        return
    found = shift(backup, question)
    sentence = shift_sentence(backup, found)
    yield Resolution(
        strategy="shift", possible=found is not None, message=sentence, schedule=found.expr if found else None
    )
    yield Resolution(strategy="after-run", message=after_run_sentence(backup))
    yield Resolution(strategy="accept", message=accept_sentence(verdict.findings), schedule=backup.expr)
