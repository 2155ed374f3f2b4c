"""What a policy archives of a CronJob's volumes, what it leaves out, and whether anything is left; pure.

Only PersistentVolumeClaims are archived: an archive's own pod can mount them when the run's pod is gone.
"""

from collections.abc import Iterable
from typing import NamedTuple

from kronkeep_common.errors import NothingToArchive
from kronkeep_common.models import BackupPolicySpec, CronJobCreate, UnarchivedVolume
from kronkeep_common.text import clean, shorten_middle

CLAIM_KIND = "persistentVolumeClaim"
MOST_LISTED = 20  # volumes that are left out; a pod may have thousands
LONGEST_PATH = 200  # characters
# Kinds of core/v1 whose content comes from objects of the cluster or from an image, so that nothing is lost.
_CONFIGURATION_KINDS = frozenset({"configMap", "secret", "projected", "downwardAPI", "image"})
_REASONS = {
    "emptyDir": "its content is deleted with each pod",
    "ephemeral": "its claim is deleted with each pod",
    "hostPath": "it is a folder of a node, not a PersistentVolumeClaim",
}


class MountedVolume(NamedTuple):
    """A volume that a container of a CronJob mounts.

    kind: the field of core/v1 Volume that says where its data is, such as `hostPath`.
    claim: the name of the claim, where it is one.
    sub_paths: the parts that are mounted (subPath); empty where all of it is, or where that is not known.
    is_device: whether it is used as a block device (volumeDevices), which has no files.
    """

    name: str
    kind: str
    mount_path: str
    claim: str = ""
    sub_paths: tuple[str, ...] = ()
    is_device: bool = False


def volumes_of_spec(spec: CronJobCreate) -> tuple[MountedVolume, ...]:
    """Return the volumes of a CronJob that is described as a form or the API does."""
    claims = [
        MountedVolume(name=volume.claim, kind=CLAIM_KIND, mount_path=volume.mount_path, claim=volume.claim)
        for volume in spec.volumes
    ]
    others = [
        MountedVolume(
            name=volume.name,
            kind=volume.kind,
            mount_path=volume.mount_path,
            is_device=volume.kind == CLAIM_KIND,
        )
        for volume in spec.other_volumes
    ]
    return (*claims, *others)


def list_mounted_claims(volumes: Iterable[MountedVolume]) -> tuple[str, ...]:
    """Return the claims with files among the volumes, in order, each once."""
    return tuple(dict.fromkeys(volume.claim for volume in volumes if volume.claim and not volume.is_device))


def claims_to_archive(policy: BackupPolicySpec, volumes: Iterable[MountedVolume]) -> tuple[str, ...]:
    """Return the claims that the policy archives: those of its source, else those that are mounted."""
    if not policy.include.volumes:
        return ()
    return tuple(source.claim for source in policy.source.claims) or list_mounted_claims(volumes)


def find_unarchived(
    policy: BackupPolicySpec, volumes: Iterable[MountedVolume]
) -> tuple[UnarchivedVolume, ...]:
    """Return mounted volumes with data of their own that the policy does not archive, MOST_LISTED at most.

    What the policy leaves out on purpose is not among them: every volume where it includes none, and claims
    where its source names others.
    """
    if not policy.include.volumes:
        return ()
    reasons = ((volume, _reason_left_out(policy, volume)) for volume in volumes)
    left_out = [
        UnarchivedVolume(
            name=clean(volume.name, 63),
            kind=clean(volume.kind, 63),
            mount_path=clean(shorten_middle(volume.mount_path, LONGEST_PATH)),
            reason=reason,
        )
        for volume, reason in reasons
        if reason
    ]
    return tuple(left_out[:MOST_LISTED])


def _reason_left_out(policy: BackupPolicySpec, volume: MountedVolume) -> str:
    """Return why the policy does not archive a volume; empty where it does, or leaves it out on purpose."""
    if volume.kind in _CONFIGURATION_KINDS:
        return ""
    if volume.kind != CLAIM_KIND:
        return _REASONS.get(volume.kind, "it is not a PersistentVolumeClaim")
    if _is_outside_paths(policy, volume):
        return "the policy's paths leave out the part of the claim that is mounted"
    if volume.is_device and not policy.source.claims:
        return "it is used as a block device, which has no files"
    return ""


def _is_outside_paths(policy: BackupPolicySpec, volume: MountedVolume) -> bool:
    """Whether the policy archives paths of the claim, and none of them lies in what is mounted of it."""
    paths = next((source.paths for source in policy.source.claims if source.claim == volume.claim), ())
    if not paths or not volume.sub_paths:
        return False
    return not any(_overlap(path, sub_path) for path in paths for sub_path in volume.sub_paths)


def _overlap(path: str, other: str) -> bool:
    """Whether one of two paths is the other one, or a folder above it."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    other_parts = [part for part in other.split("/") if part not in ("", ".")]
    shared = min(len(parts), len(other_parts))
    return parts[:shared] == other_parts[:shared]


def explain_nothing(policy: BackupPolicySpec, volumes: Iterable[MountedVolume]) -> str | None:
    """Return why the policy has nothing to archive; None where it has something."""
    include = policy.include
    if include.configuration or include.database is not None:
        return None
    if not include.volumes:
        return "The policy includes nothing: no volumes, no configuration and no dump."
    volumes = tuple(volumes)
    claims = claims_to_archive(policy, volumes)
    outside = {volume.claim for volume in volumes if _is_outside_paths(policy, volume)}
    if claims and not outside.issuperset(claims):
        return None
    left_out = find_unarchived(policy, volumes)
    named = ", ".join(f"{volume.name} ({volume.kind}) at {volume.mount_path}" for volume in left_out[:3])
    mounted = f" It mounts {named}: only files of claims are archived." if named else ""
    if claims:
        return f"Nothing to archive: the policy's paths leave out all that is mounted.{mounted}"
    return f"Nothing to archive: the CronJob mounts no claim and the policy names none.{mounted}"


def require_contents(policy: BackupPolicySpec, volumes: Iterable[MountedVolume]) -> None:
    """Raise NothingToArchive for a policy that is in force and has nothing to archive."""
    message = explain_nothing(policy, volumes) if policy.enabled else None
    if message is not None:
        raise NothingToArchive(message, field="policy.source")
