"""The manifests of volumes that are made for one archive; pure."""

from kronkeep_common import object_keys
from kronkeep_common.models import BackupExecution
from kronkeep_daemon.backups.volume_copy_rules import VolumeCopyPlan
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.job_manifests import labels_of
from kronkeep_daemon.repositories.job_names import archive_job_name

SNAPSHOT_GROUP = "snapshot.storage.k8s.io"


def copy_name(backup: BackupExecution, number: int) -> str:
    """Return the name of the volume made from the claim of that number, in the current attempt."""
    return f"{archive_job_name(backup)}-volume-{number}"


def build_snapshot(
    backup: BackupExecution, number: int, plan: VolumeCopyPlan, owner: JsonObject
) -> JsonObject:
    """Return the VolumeSnapshot of a claim; `owner` is an owner reference."""
    return {
        "apiVersion": f"{SNAPSHOT_GROUP}/v1",
        "kind": "VolumeSnapshot",
        "metadata": _metadata(backup, number, owner),
        "spec": {
            "volumeSnapshotClassName": plan.snapshot_class,
            "source": {"persistentVolumeClaimName": plan.claim},
        },
    }


def build_claim(backup: BackupExecution, number: int, plan: VolumeCopyPlan, owner: JsonObject) -> JsonObject:
    """Return the claim that is filled from the VolumeSnapshot of the same name, or from the claim itself.

    It has the access modes of the claim, so it is mounted as that is, and read-only only in the container: a
    file system whose journal has to be replayed first could not be mounted from a read-only volume.
    """
    source = {"kind": "PersistentVolumeClaim", "name": plan.claim}
    if plan.snapshot_class:
        source = {"apiGroup": SNAPSHOT_GROUP, "kind": "VolumeSnapshot", "name": copy_name(backup, number)}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(backup, number, owner),
        "spec": {
            "storageClassName": plan.storage_class,
            "accessModes": list(plan.access_modes),
            "resources": {"requests": {"storage": plan.size}},
            "dataSource": source,
        },
    }


def _metadata(backup: BackupExecution, number: int, owner: JsonObject) -> JsonObject:
    return {
        "name": copy_name(backup, number),
        "namespace": backup.namespace,
        "labels": labels_of(object_keys.VOLUME_COPY_ROLE) | {object_keys.BACKUP_LABEL: backup.id},
        "ownerReferences": [owner],
    }
