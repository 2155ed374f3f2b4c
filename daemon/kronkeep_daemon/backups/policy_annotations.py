"""A policy and the annotations of its CronJob, one from the other; pure."""

import hashlib
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.errors import InvalidPolicy, KronkeepError
from kronkeep_common.json_decoding import DECODING_ERRORS
from kronkeep_common.models import BackupPolicy, BackupPolicySpec, Hook
from kronkeep_common.name_rules import check_image
from kronkeep_common.schedule import Schedule
from kronkeep_common.text import clean
from kronkeep_daemon.kube.objects import CronJobObject

KEPT = 16_384  # policies that are kept read, about 2 KB each


class Found(NamedTuple):
    """What a CronJob's annotations say: a policy, or why there is none that can be acted on."""

    policy: BackupPolicy | None
    fault: str | None


class Carrier(NamedTuple):
    """A policy with the CronJob that carries it; two may carry one id, as of a manifest for two clusters."""

    cluster: str
    namespace: str
    cronjob: str
    policy: BackupPolicy


def carrier(cronjob: CronJobObject) -> Carrier | None:
    """The policy that a CronJob carries; None without one that can be acted on."""
    found = read(cronjob).policy
    if found is None:
        return None
    return Carrier(
        cluster=cronjob.cluster,
        namespace=cronjob.namespace,
        cronjob=clean(cronjob.name, 253),
        policy=found,
    )


def new(spec: BackupPolicySpec, policy_id: str | None = None) -> BackupPolicy:
    """The policy of a spec, with a new identity unless one is given."""
    fields = {field: getattr(spec, field) for field in BackupPolicySpec.__struct_fields__}
    return BackupPolicy(id=policy_id or uuid.uuid4().hex[:12], **fields)


def annotations(policy: BackupPolicy) -> dict[str, str]:
    """What the CronJob carries."""
    return {
        object_keys.POLICY: msgspec.json.encode(policy).decode(),
        object_keys.POLICY_ID: policy.id,
        object_keys.POLICY_ENABLED: "true" if policy.enabled else "false",
        object_keys.POLICY_REVISION: revision(policy),
    }


def revision(policy: BackupPolicy) -> str:
    """A short hash that changes with the policy."""
    return hashlib.sha256(msgspec.json.encode(policy, order="sorted")).hexdigest()[:10]


def read(cronjob: CronJobObject) -> Found:
    """The policy on a CronJob; an invalid annotation is a fault and is never half-applied."""
    return read_annotations(cronjob.annotations, cronjob.uid)


def read_annotations(annotations: Mapping[str, str], uid: str) -> Found:
    """The policy in the annotations of the CronJob with that uid."""
    text = annotations.get(object_keys.POLICY)
    return Found(None, None) if text is None else _read(text, uid)


@lru_cache(maxsize=KEPT)
def _read(text: str, uid: str) -> Found:
    """What every look at all CronJobs asks again: an annotation's text says the same until it is changed."""
    try:
        given = msgspec.json.decode(text)
        if isinstance(given, dict):
            given.setdefault("id", hashlib.sha256(uid.encode()).hexdigest()[:12])
        policy = msgspec.convert(given, BackupPolicy)
        check(policy)
    except (*DECODING_ERRORS, KronkeepError) as fault:
        return Found(None, clean(f"The backup policy cannot be read: {fault}", 500))
    return Found(policy, None)


def check(policy: BackupPolicySpec) -> None:
    """Raises InvalidPolicy, InvalidSchedule or InvalidTimeZone for what could not be carried out."""
    if policy.drill is not None:
        Schedule.parse(policy.drill.schedule, policy.drill.time_zone)
    if policy.schedule is not None:
        Schedule.parse(policy.schedule, policy.time_zone)
    elif policy.time_zone is not None:
        raise InvalidPolicy("A time zone without a schedule has no meaning.", field="policy.time_zone")
    if policy.encryption.key is not None and not policy.encryption.enabled:
        raise InvalidPolicy("A key without encryption has no meaning.", field="policy.encryption.key")
    include = policy.include
    if not include.volumes and not include.configuration and include.database is None:
        raise InvalidPolicy("The policy includes nothing.", field="policy.include")
    if not include.volumes and policy.source.claims:
        raise InvalidPolicy("Claims without include.volumes have no meaning.", field="policy.source")
    _check_containers(policy)
    for claim in policy.source.claims:
        for path in claim.paths:
            if path.startswith("/") or ".." in path.split("/") or path.startswith("-"):
                raise InvalidPolicy(
                    f"The path {clean(repr(path), 100)} must stay below the claim.", field="source"
                )


def _check_containers(policy: BackupPolicySpec) -> None:
    """Raises InvalidImage for what no registry has, InvalidPolicy for hooks that cannot be told apart."""
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
