"""The rules of coverage: who backs up a claim, judged from claims, CronJobs and policies; pure.

A claim counts as covered only where a policy that is in force archives all of it. A policy of some paths
leaves the rest to be lost, and one that is disabled, or whose CronJob is suspended, makes no more backups.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from kronkeep_common import object_keys, subject_names
from kronkeep_common.archive_contents import MountedVolume, claims_to_archive
from kronkeep_common.models import BackupPolicy
from kronkeep_common.models.coverage import ClaimCoverage, ClaimPolicy, ClaimStatus
from kronkeep_common.text import clean

MOST_NAMED = 20  # policies and CronJobs that are named of one claim
LONGEST_REASON = 300  # characters of an exemption
NO_FILES = "it is a block volume, which has no files to archive"
ClaimKey = tuple[str, str, str]  # the id of its cluster, its namespace, its name


class ClaimFacts(NamedTuple):
    """What is known of a claim; `exemption` is empty where nobody has exempted it."""

    cluster: str
    namespace: str
    name: str
    uid: str
    created_at: datetime
    is_bound: bool = True
    is_block: bool = False
    size_bytes: int | None = None
    storage_class: str | None = None
    exemption: str = ""


class BackupTimes(NamedTuple):
    """When the newest good backup of a claim ended and was verified: of all of it, and of parts or all."""

    whole_at: datetime | None = None
    whole_verified_at: datetime | None = None
    some_at: datetime | None = None
    some_verified_at: datetime | None = None


class ClaimUser(NamedTuple):
    """A CronJob, what it mounts, and its policy; `stopped` says why that makes no backups at all now.

    backed_up: by the name of the claim, when the CronJob's backups were made.
    """

    cluster: str
    namespace: str
    cronjob: str
    volumes: tuple[MountedVolume, ...] = ()
    policy: BackupPolicy | None = None
    policy_fault: str | None = None
    stopped: str | None = None
    backed_up: Mapping[str, BackupTimes] = {}


class _ClaimUses(NamedTuple):
    """A claim, the policies that archive it, the CronJobs that mount it, the storage whose data it holds."""

    claim: ClaimFacts
    policies: tuple[ClaimPolicy, ...]
    mounting: tuple[ClaimUser, ...]
    storage_id: str | None

    @property
    def in_force(self) -> list[ClaimPolicy]:
        """The policies that make backups of it now."""
        return [policy for policy in self.policies if policy.stopped is None]


def explain_stop(policy: BackupPolicy, *, is_suspended: bool, storage_refusal: str | None) -> str | None:
    """Return why a policy makes no backups; None where it does.

    storage_refusal: why it may not use its storage.
    """
    if not policy.enabled:
        return "it is disabled"
    if storage_refusal is not None:
        return storage_refusal.rstrip(".")
    if is_suspended and policy.schedule is None:
        return "its CronJob is suspended, and it backs up after runs"
    return None


def index_users(users: Iterable[ClaimUser]) -> dict[ClaimKey, list[ClaimUser]]:
    """Return the CronJobs that mount or archive each claim, or have backups of it."""
    by_claim: dict[ClaimKey, list[ClaimUser]] = {}
    for user in users:
        mounted = [volume.claim for volume in user.volumes if volume.claim]
        archived = claims_to_archive(user.policy, user.volumes) if user.policy is not None else ()
        for claim in dict.fromkeys((*mounted, *archived, *user.backed_up)):
            by_claim.setdefault((user.cluster, user.namespace, claim), []).append(user)
    return by_claim


def judge_claim(claim: ClaimFacts, users: Sequence[ClaimUser], storage_id: str | None) -> ClaimCoverage:
    """Return who backs up a claim.

    users: the CronJobs of its namespace that mount or archive it, or have backups of it.
    storage_id: the storage whose repositories it holds, if any.
    """
    policies = [policy for user in users if (policy := _policy_for(claim, user)) is not None]
    mounting = [user for user in users if any(volume.claim == claim.name for volume in user.volumes)]
    uses = _ClaimUses(claim=claim, policies=tuple(policies), mounting=tuple(mounting), storage_id=storage_id)
    status = _status_of(uses)
    times = [user.backed_up[claim.name] for user in users if claim.name in user.backed_up]
    is_partly = status == "partly"
    names = [user.cronjob for user in mounting]
    return ClaimCoverage(
        id=claim.uid,
        cluster=claim.cluster,
        namespace=claim.namespace,
        name=claim.name,
        status=status,
        created_at=claim.created_at,
        size_bytes=claim.size_bytes,
        storage_class=claim.storage_class,
        policies=tuple(policies[:MOST_NAMED]),
        mounted_by=tuple(name for name in names if subject_names.claim_of(name) is None)[:MOST_NAMED],
        last_good_at=_newest(each.some_at if is_partly else each.whole_at for each in times),
        last_verified_at=_newest(
            each.some_verified_at if is_partly else each.whole_verified_at for each in times
        ),
        exemption=claim.exemption or None,
        message=_explain(uses, status),
        next_step=_next_step(uses, status),
    )


def _newest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


def paths_in_archive(policy: BackupPolicy, volumes: Iterable[MountedVolume], claim: str) -> list[str] | None:
    """Return the only paths of a claim that a policy archives, none for all; None where it archives none."""
    if claim not in claims_to_archive(policy, volumes):
        return None
    sources = [source for source in policy.source.claims if source.claim == claim]
    paths = [path for source in sources for path in source.paths]
    is_whole = any(not source.paths for source in sources) or any(path.strip("./") == "" for path in paths)
    return [] if is_whole else paths


def _policy_for(claim: ClaimFacts, user: ClaimUser) -> ClaimPolicy | None:
    policy = user.policy
    paths = paths_in_archive(policy, user.volumes, claim.name) if policy is not None else None
    if policy is None or paths is None:
        return None
    return ClaimPolicy(
        policy_id=policy.id,
        cronjob=user.cronjob,
        storage_id=policy.storage_id,
        paths=tuple(clean(path, 200) for path in paths[:MOST_NAMED]),
        leaves_out=policy.source.leaves_out,
        stopped=NO_FILES if claim.is_block else user.stopped,
    )


def _status_of(uses: _ClaimUses) -> ClaimStatus:
    if any(not policy.paths for policy in uses.in_force):
        return "covered"
    if uses.claim.exemption:
        return "exempt"
    if uses.storage_id is not None:
        return "storage"
    if uses.in_force:
        return "partly"
    if not uses.claim.is_bound:
        return "unbound"
    if uses.policies or any(user.policy_fault is not None for user in uses.mounting):
        return "stopped"
    return "unprotected" if uses.mounting else "nobody"


def _explain(uses: _ClaimUses, status: ClaimStatus) -> str:
    """Return in a sentence or two why the claim has its status."""
    block = f" Besides, {NO_FILES}." if uses.claim.is_block else ""
    match status:
        case "covered":
            whole = [policy for policy in uses.in_force if not policy.paths]
            but = ", but for what its excludes leave out" if all(one.leaves_out for one in whole) else ""
            return f"{_policies_of(whole)} archives all of it{but}."
        case "partly":
            paths = ", ".join(path for policy in uses.in_force for path in policy.paths)
            return clean(f"{_policies_of(uses.in_force)} archives only {paths} of it.", 1000)
        case "stopped":
            return clean(_explain_stopped(uses), 1000)
        case "unprotected":
            names = ", ".join(user.cronjob for user in uses.mounting[:MOST_NAMED])
            verb = "mounts" if len(uses.mounting) == 1 else "mount"
            return clean(f"{names} {verb} it, without a policy that archives it.{block}", 1000)
        case "nobody":
            return f"No CronJob mounts it, and no policy names it.{block}"
        case "unbound":
            return "It has no volume yet, so there is nothing to lose."
        case "storage":
            return f"It holds the repositories of the storage {uses.storage_id}."
        case "exempt":
            return f"Exempt: {uses.claim.exemption}"


def _explain_stopped(uses: _ClaimUses) -> str:
    if uses.policies:
        first = uses.policies[0]
        return f"{_policies_of([first])} makes no backups of it: {first.stopped}."
    faulty = next(user for user in uses.mounting if user.policy_fault is not None)
    return f"The policy of {faulty.cronjob} is not in force: {faulty.policy_fault}"


def _policies_of(policies: Sequence[ClaimPolicy]) -> str:
    names = ", ".join(policy.cronjob for policy in policies[:MOST_NAMED])
    return f"The policy of {clean(names, 500)}"


def _next_step(uses: _ClaimUses, status: ClaimStatus) -> str | None:
    claim = uses.claim
    exempt = f"kubectl annotate pvc -n {claim.namespace} {claim.name} {object_keys.EXEMPT}='REASON'"
    if claim.is_block and status in ("stopped", "unprotected", "nobody"):
        return f"Back it up by other means, and say so: {exempt}"
    cronjobs = [policy.cronjob for policy in uses.policies] + [user.cronjob for user in uses.mounting]
    cronjob = next(iter(cronjobs), "")
    match status:
        case "partly":
            return f"Remove the paths from the policy's source. Where the rest needs no backup: {exempt}"
        case "stopped":
            return f"kronkeep describe cronjob {claim.namespace}/{cronjob} says more."
        case "unprotected":
            return f"Give it a policy: kronkeep edit {claim.namespace}/{cronjob}. If it needs none: {exempt}"
        case "nobody":
            create = f"kronkeep create {claim.namespace}/{subject_names.name_of_claim(claim.name)}"
            own = f"{create} --storage ID --backup-schedule '0 3 * * *'"
            return f"Give it a policy of its own: {own}. If it needs none: {exempt}"
        case _:
            return None
