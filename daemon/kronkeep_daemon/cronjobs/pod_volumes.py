"""The volumes that the pods of a CronJob mount, of whatever kind, or a claim by itself; pure."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from kronkeep_common.archive_contents import CLAIM_KIND, MountedVolume
from kronkeep_common.json_decoding import decode_or_none
from kronkeep_daemon.kube.objects import ClaimVolumeSource, CronJobObject, TemplatePodSpec
from kronkeep_daemon.kube.subjects import PolicyClaim, PolicySubject

# What Kubernetes makes of a volume without a source (SetDefaults_Volume of core/v1).
_DEFAULT_KIND = "emptyDir"
_NULL = b"null"


class _VolumeUse(NamedTuple):
    """How one container uses a volume; `sub_path` is None where all of the volume is there, or may be."""

    path: str
    sub_path: str | None
    is_device: bool


def list_mounted_volumes(subject: PolicySubject) -> tuple[MountedVolume, ...]:
    """Return the volumes that a container of a CronJob mounts or uses as a device, in order, each once.

    Of a claim with a policy of its own that is the claim.
    """
    if isinstance(subject, PolicyClaim):
        return (_volume_of_claim(subject),)
    return _list_template_volumes(subject.pod) if isinstance(subject, CronJobObject) else ()


def _volume_of_claim(claim: PolicyClaim) -> MountedVolume:
    return MountedVolume(
        name=claim.claim, kind=CLAIM_KIND, mount_path="/", claim=claim.claim, is_device=claim.is_block
    )


def _list_template_volumes(pod: TemplatePodSpec) -> tuple[MountedVolume, ...]:
    uses: dict[str, list[_VolumeUse]] = {}
    for name, use in _volume_uses(pod):
        uses.setdefault(name, []).append(use)
    volumes = []
    for volume in pod.volumes or ():
        name = decode_or_none(bytes(volume.get("name", _NULL)), str) or ""
        if name in uses:
            volumes.append(_make_mounted_volume(name, volume, uses[name]))
    return tuple(volumes)


def _volume_uses(pod: TemplatePodSpec) -> Iterator[tuple[str, _VolumeUse]]:
    """Yield each use of a volume by a container with the volume's name."""
    for container in (*(pod.init_containers or ()), *(pod.containers or ())):
        for mount in container.volume_mounts or ():
            sub_path = None if mount.sub_path_expr else mount.sub_path or None
            yield mount.name, _VolumeUse(path=mount.mount_path, sub_path=sub_path, is_device=False)
        for device in container.volume_devices or ():
            yield device.name, _VolumeUse(path=device.device_path, sub_path=None, is_device=True)


def _make_mounted_volume(name: str, volume: dict[str, msgspec.Raw], uses: list[_VolumeUse]) -> MountedVolume:
    sources = {key: bytes(source) for key, source in volume.items() if key != "name"}
    kind = next((key for key, source in sources.items() if source != _NULL), _DEFAULT_KIND)
    claim = decode_or_none(sources[kind], ClaimVolumeSource) if kind == CLAIM_KIND else None
    sub_paths = [use.sub_path for use in uses if use.sub_path is not None]
    return MountedVolume(
        name=name,
        kind=kind,
        mount_path=uses[0].path,
        claim=claim.claim_name if claim is not None else "",
        sub_paths=tuple(sub_paths) if len(sub_paths) == len(uses) else (),
        is_device=all(use.is_device for use in uses),
    )
