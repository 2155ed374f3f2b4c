"""Conversion of a policy to the annotations of its CronJob and back; pure."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.errors import InvalidPolicy, KronkeepError, NothingToArchive
from kronkeep_common.json_decoding import DECODING_ERRORS
from kronkeep_common.model_faults import describe_fault
from kronkeep_common.models import BackupPolicy, BackupPolicySpec, Hook
from kronkeep_common.models.policy import POLICY_ID_PATTERN
from kronkeep_common.name_rules import check_image
from kronkeep_common.schedule import Schedule
from kronkeep_common.text import clean
from kronkeep_daemon.history.record_ids import derive_id, new_id
from kronkeep_daemon.kube.subjects import PolicyClaim, PolicySubject
from kronkeep_daemon.restic.exclude_patterns import ExcludeFilter

MOST_POLICY_BYTES = 32_768  # of an annotation; a copy of the policy is in every backup's record
_ANY_FILE = "/source/claim/a name that nobody has"
LONGEST_NAME = 260  # characters of a claim's name with its prefix
_POLICY_ID = re.compile(POLICY_ID_PATTERN)
_ID_BYTES = 128  # the annotation of a policy that a person wrote gets its id
MOST_CACHED_BYTES = 32 * 1024 * 1024  # of texts; a policy of two hooks has about 1 KB


class ParsedPolicy(NamedTuple):
    """The policy in a CronJob's annotations, or why it cannot be read; both None without an annotation."""

    policy: BackupPolicy | None
    fault: str | None


class PolicyCarrier(NamedTuple):
    """A CronJob with the policy that it carries.

    Two CronJobs may carry one policy id, as when a manifest is applied to two clusters.
    """

    cluster: str
    namespace: str
    cronjob: str
    policy: BackupPolicy


def carrier_of(cronjob: PolicySubject) -> PolicyCarrier | None:
    """Return a CronJob or a claim with its policy; None without a readable one."""
    policy = read_policy(cronjob).policy
    if policy is None:
        return None
    return PolicyCarrier(
        cluster=cronjob.cluster,
        namespace=cronjob.namespace,
        cronjob=clean(cronjob.name, LONGEST_NAME),
        policy=policy,
    )


def new_policy(spec: BackupPolicySpec, policy_id: str | None = None) -> BackupPolicy:
    """Return the policy of a spec, with a new id unless one is given."""
    fields = {field: getattr(spec, field) for field in BackupPolicySpec.__struct_fields__}
    return BackupPolicy(id=policy_id or new_id(), **fields)


def annotations_of(policy: BackupPolicy) -> dict[str, str]:
    """Return the annotations that a CronJob with the policy carries."""
    return {
        object_keys.POLICY: msgspec.json.encode(policy).decode(),
        object_keys.POLICY_ID: policy.id,
        object_keys.POLICY_ENABLED: "true" if policy.enabled else "false",
        object_keys.POLICY_REVISION: revision_of(policy),
    }


def revision_of(policy: BackupPolicy) -> str:
    """Return a hash that changes with the policy."""
    return derive_id("policy revision", msgspec.json.encode(policy, order="sorted").decode())


def read_policy(cronjob: PolicySubject) -> ParsedPolicy:
    """Return the policy of a CronJob or claim; an invalid annotation is a fault as a whole."""
    claim = cronjob.claim if isinstance(cronjob, PolicyClaim) else None
    if isinstance(cronjob, PolicyClaim) and cronjob.is_block:
        return ParsedPolicy(None, "The claim is a block volume (volumeMode: Block), which has no files.")
    return read_annotations(cronjob.annotations, cronjob.uid, claim)


def read_annotations(annotations: Mapping[str, str], uid: str, claim: str | None = None) -> ParsedPolicy:
    """Return the policy in the annotations of the CronJob, or of the claim of that name, with that uid."""
    text = annotations.get(object_keys.POLICY)
    if text is None:
        return ParsedPolicy(None, None)
    size = len(text) if text.isascii() else len(text.encode())
    if size > MOST_POLICY_BYTES:
        return ParsedPolicy(None, f"The backup policy has {size} bytes; {MOST_POLICY_BYTES} are the most.")
    policy_id = policy_id_of(uid) if claim is not None else _annotated_id(annotations) or policy_id_of(uid)
    return _cache.read(PolicyText(text, policy_id, claim), uid)


class PolicyText(NamedTuple):
    """An annotation with a policy, the id for a policy that names none, and the claim it is on, if any."""

    text: str
    policy_id: str
    claim: str | None = None


class PolicyCache:
    """The parsed policies of CronJobs by uid, as every pass over all CronJobs reads the same texts again.

    A CronJob has one entry, that of its last text; the entries that were read longest ago go first.

    most_bytes: of all texts together.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, tuple[PolicyText, ParsedPolicy]] = OrderedDict()
        self.bytes = 0

    def read(self, written: PolicyText, uid: str) -> ParsedPolicy:
        """Return the policy in the annotation of the CronJob or claim with that uid."""
        entry = self._entries.get(uid)
        if entry is not None and entry[0] == written:
            self._entries.move_to_end(uid)
            return entry[1]
        if entry is not None:
            self._remove(uid)
        parsed = _parse_policy(written)
        self._entries[uid] = (written, parsed)
        self.bytes += len(written.text)
        while self.bytes > self._most_bytes:
            self._remove(next(iter(self._entries)))
        return parsed

    def _remove(self, uid: str) -> None:
        written, _ = self._entries.pop(uid)
        self.bytes -= len(written.text)


_cache = PolicyCache(MOST_CACHED_BYTES)


def policy_id_of(uid: str) -> str:
    """Return the id of the policy of a claim, or of one that was written by hand.

    A StatefulSet copies the annotations of a template to each of its claims, which need ids of their own: so
    no id is read from a claim's annotation.
    """
    return derive_id("policy", uid)


def kept_id_of(cronjob: PolicySubject) -> str | None:
    """Return the id that a new policy of the CronJob keeps, also where the present one cannot be read.

    Its snapshots, its folder of the repository and its retention go by the id, so a policy that somebody
    broke by hand and mends keeps it. None for a CronJob that has no policy.
    """
    policy = read_policy(cronjob).policy
    if policy is not None:
        return policy.id
    written = _annotated_id(cronjob.annotations)
    if written is None and object_keys.POLICY in cronjob.annotations:
        return policy_id_of(cronjob.uid)
    return written


def _annotated_id(annotations: Mapping[str, str]) -> str | None:
    """Return the id that kronkeep wrote beside a policy; None without a valid one.

    It stays where `kubectl annotate --overwrite` writes a policy that names no id.
    """
    written = annotations.get(object_keys.POLICY_ID, "")
    return written if _POLICY_ID.fullmatch(written) else None


def _parse_policy(written: PolicyText) -> ParsedPolicy:
    claim = written.claim
    try:
        fields = msgspec.json.decode(written.text)
        if isinstance(fields, dict):
            fields["id"] = written.policy_id if claim is not None else fields.get("id", written.policy_id)
        policy = msgspec.convert(fields, BackupPolicy)
        check_policy(policy)
        if claim is not None:
            check_claim_policy(policy, claim)
    except msgspec.ValidationError as fault:
        sentence = describe_fault(fault, BackupPolicy).sentence
        return ParsedPolicy(None, clean(f"The backup policy cannot be read: {sentence}", 500))
    except (*DECODING_ERRORS, KronkeepError) as fault:
        return ParsedPolicy(None, clean(f"The backup policy cannot be read: {fault}", 500))
    return ParsedPolicy(policy, None)


def check_policy(policy: BackupPolicySpec) -> None:
    """Raise InvalidPolicy, InvalidSchedule or InvalidTimeZone for a policy that cannot be carried out."""
    size = len(msgspec.json.encode(policy))
    most = MOST_POLICY_BYTES - _ID_BYTES
    if size > most:
        raise InvalidPolicy(f"The backup policy has {size} bytes; {most} are the most.", field="policy")
    if policy.drill is not None:
        _require_slots(policy.drill.schedule, policy.drill.time_zone, "policy.drill.schedule")
    if policy.schedule is not None:
        _require_slots(policy.schedule, policy.time_zone, "policy.schedule")
    elif policy.time_zone is not None:
        raise InvalidPolicy("A time zone without a schedule has no meaning.", field="policy.time_zone")
    if policy.encryption.key is not None and not policy.encryption.enabled:
        raise InvalidPolicy("A key without encryption has no meaning.", field="policy.encryption.key")
    include = policy.include
    if not include.volumes and not include.configuration and include.database is None:
        raise NothingToArchive("The policy includes nothing.", field="policy.include")
    if not include.volumes and policy.source.claims:
        raise InvalidPolicy("Claims without include.volumes have no meaning.", field="policy.source")
    _check_excludes(policy)
    _check_containers(policy)
    _check_copies(policy)
    for claim in policy.source.claims:
        for path in claim.paths:
            if path.startswith("/") or ".." in path.split("/") or path.startswith("-"):
                raise InvalidPolicy(
                    f"The path {clean(repr(path), 100)} must stay below the claim.", field="source"
                )


def check_claim_policy(policy: BackupPolicySpec, claim: str) -> None:
    """Raise InvalidPolicy for a policy of a claim without a schedule, or of other claims."""
    if policy.schedule is None:
        raise InvalidPolicy(
            "A claim has no runs that its backups could follow: its policy needs a schedule.",
            field="policy.schedule",
        )
    others = [source.claim for source in policy.source.claims if source.claim != claim]
    if others:
        raise InvalidPolicy(
            f"The policy of the claim {clean(claim, 253)} archives that claim only, and not "
            f"{clean(others[0], 253)}.",
            next_step="Give each claim a policy of its own.",
            field="policy.source.claims",
        )


def _check_copies(policy: BackupPolicySpec) -> None:
    """Raise InvalidPolicy for copies in the policy's own storage, or twice in one; InvalidSchedule."""
    storage_ids = [policy.storage_id]
    for number, copy in enumerate(policy.copies):
        field = f"policy.copies[{number}]"
        if copy.storage_id in storage_ids:
            raise InvalidPolicy(
                f"The storage {clean(copy.storage_id, 80)} has the backups, or a copy of them, already.",
                next_step="Name another storage for this copy.",
                field=f"{field}.storage_id",
            )
        storage_ids.append(copy.storage_id)
        if copy.schedule is None and copy.time_zone is not None:
            raise InvalidPolicy("A time zone without a schedule has no meaning.", field=f"{field}.time_zone")
        if copy.schedule is not None and copy.after is not None:
            raise InvalidPolicy("A copy has a schedule or follows each backup.", field=f"{field}.after")
        if copy.schedule is not None:
            _require_slots(copy.schedule, copy.time_zone, f"{field}.schedule")
        if copy.drill is not None:
            _require_slots(copy.drill.schedule, copy.drill.time_zone, f"{field}.drill.schedule")


def _require_slots(schedule: str, time_zone: str | None, field: str) -> None:
    """Raise InvalidPolicy for `@every`, whose slots depend on when somebody began to count them."""
    if Schedule.parse(schedule, time_zone).every is not None:
        raise InvalidPolicy(
            "@every has no slots of its own, so nothing would ever be due.",
            next_step="Write a cron line, such as 0 */6 * * * for every six hours.",
            field=field,
        )


def _check_excludes(policy: BackupPolicySpec) -> None:
    """Raise InvalidPolicy for a pattern that cannot be used, and for patterns that leave everything out."""
    source = policy.source
    excludes = ExcludeFilter(source.exclude)
    takes_back = any(pattern.startswith("!") for pattern in source.exclude)
    if not takes_back and excludes.leaves_out(_ANY_FILE, is_folder=False):
        raise InvalidPolicy(
            "The excludes leave out everything.",
            next_step="Remove the pattern that matches every name.",
            field="policy.source.exclude",
        )
    if source.leaves_out and not policy.include.volumes:
        raise InvalidPolicy(
            "Excludes without include.volumes have no meaning.", field="policy.source.exclude"
        )


def _check_containers(policy: BackupPolicySpec) -> None:
    """Raise InvalidImage for an impossible image name, InvalidPolicy for an impossible dump or hook."""
    if policy.include.database is not None:
        check_image(policy.include.database.image)
        if policy.include.database.file_name in ("source", "configuration"):
            raise InvalidPolicy("The dump's file_name is taken by a folder.", field="policy.include.database")
    for stage in ("pre", "validate", "post"):
        hooks: tuple[Hook, ...] = getattr(policy.hooks, stage)
        for hook in hooks:
            check_image(hook.image)
            if hook.when != "always" and stage != "post":
                raise InvalidPolicy(
                    f"The {stage} hook {hook.name} cannot have `when`: only post hooks know how it ended.",
                    field=f"policy.hooks.{stage}",
                )
        if len({hook.name for hook in hooks}) < len(hooks):
            raise InvalidPolicy(f"Two {stage} hooks have one name.", field=f"policy.hooks.{stage}")
