"""The Jobs of one backup: the archive itself and its hooks; pure."""

from kronkeep_common import object_keys
from kronkeep_common.models import BackupExecution, BackupPolicy, Hook, SecretKeyRef
from kronkeep_daemon.backups import cronjob_configuration
from kronkeep_daemon.jobs import node_placement
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.job_manifests import (
    add_repository_access,
    build_containers,
    build_job,
)
from kronkeep_daemon.repositories.job_names import archive_job_name
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restic import cat, restore, version
from kronkeep_daemon.restic.snapshots import SnapshotTags
from kronkeep_daemon.settings import ArchiveSettings

SOURCE = "/source"
CONTENT = "/content"
_TOOLS = "/kronkeep/tools"
# Seconds for the pod of a hook to be scheduled and its image to be had, which its timeout leaves out.
START_SECONDS = 120


def hook_job_name(backup: BackupExecution, stage: str, place: int) -> str:
    """At most 63 characters: 36 + 4 + 12 + 3 of the archive's name, and `-post19`."""
    return f"{archive_job_name(backup)}-{stage[:4]}{place}"


def archive_job(
    backup: BackupExecution,
    policy: BackupPolicy,
    repository: Repository,
    claims: tuple[str, ...],
    files: list[str],
    settings: ArchiveSettings,
) -> JsonObject:
    """The Job of one archive: probe restic, the sources and the repository, then back up; then the dump.

    `files` are the names of the configuration's files, which come from the Job's ConfigMap.
    """
    name = archive_job_name(backup)
    paths = source_paths(policy, claims, files)
    steps = [("version", version.argv())]
    if paths:
        steps.append(("sources", ["ls", "-d", "--", *paths]))
    steps.append(("repository", cat.argv()))
    if paths:
        part = "files" if policy.include.database else ""
        steps.append(("backup", restic_backup.argv(_options(backup, policy, repository, part), paths)))
    mounts = [*_claim_mounts(claims, read_only=True), *cronjob_configuration.mounts(files)]
    ordered = build_containers(name, steps, repository, settings, mounts)
    if policy.include.database is not None:
        ordered += _dump(backup, policy, name, repository, settings)
    made = build_job(name, backup.namespace, "archive", ordered, settings)
    add_repository_access(made, repository, settings)
    made["spec"]["activeDeadlineSeconds"] = max(1, int(policy.deadline_seconds))
    volumes = made["spec"]["template"]["spec"]["volumes"]
    volumes += claim_volumes(claims)
    if files:
        volumes.append(cronjob_configuration.volume(name))
    if policy.include.database is not None:
        volumes.append({"name": "tools", "emptyDir": {}})
    return made


def _options(
    backup: BackupExecution, policy: BackupPolicy, repository: Repository, part: str
) -> restic_backup.BackupOptions:
    run = backup.cronjob_execution_id or backup.id
    return restic_backup.BackupOptions(
        host=repository.snapshot_host(backup.cluster),
        tags=SnapshotTags(policy=policy.id, run=run, backup=backup.id, part=part),
        compression=compression(backup, policy),
        force=backup.backup_type == "full",
    )


def compression(backup: BackupExecution, policy: BackupPolicy) -> str:
    """The policy's compression, unless a person chose another for this backup."""
    return backup.overrides.get("compression", policy.compression)


def _dump(
    backup: BackupExecution,
    policy: BackupPolicy,
    name: str,
    repository: Repository,
    settings: ArchiveSettings,
) -> list[JsonObject]:
    """The dump runs in its own image, so restic is put beside it: `tools` copies the program there."""
    dump = policy.include.database
    assert dump is not None
    tools = [{"name": "tools", "mountPath": _TOOLS}]
    copied = f"{_TOOLS}/restic"
    options = _options(backup, policy, repository, "database")
    argv = restic_backup.dump_argv(options, dump.file_name, dump.command)
    steps = [("tools", ["cp", settings.program, copied]), ("database", argv)]
    first, second = build_containers(name, steps, repository, settings, tools)
    second["image"] = dump.image
    at = second["command"].index(settings.program)
    second["command"][at] = copied
    second["env"] = [*second["env"], *secret_variables(dump.env)]
    return [first, second]


def secret_variables(env: dict[str, SecretKeyRef]) -> list[JsonObject]:
    """Variables from Secrets of the pod's namespace."""
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": ref.secret, "key": ref.key}}}
        for name, ref in env.items()
    ]


def source_paths(policy: BackupPolicy, claims: tuple[str, ...], files: list[str]) -> list[str]:
    """The paths to archive as the pod sees them; stable, so that restic finds the parent snapshot."""
    chosen = {source.claim: source.paths for source in policy.source.claims}
    found = []
    for claim in claims:
        base = f"{SOURCE}/{claim}"
        found += [f"{base}/{path}" for path in chosen.get(claim, ())] or [base]
    return [*found, cronjob_configuration.FOLDER] if files else found


def claim_volumes(claims: tuple[str, ...]) -> list[JsonObject]:
    """The volumes of the claims."""
    return [
        {"name": f"claim-{i}", "persistentVolumeClaim": {"claimName": claim}}
        for i, claim in enumerate(claims)
    ]


def _claim_mounts(claims: tuple[str, ...], *, read_only: bool) -> list[JsonObject]:
    mounts = [{"name": f"claim-{i}", "mountPath": f"{SOURCE}/{claim}"} for i, claim in enumerate(claims)]
    return [mount | {"readOnly": True} for mount in mounts] if read_only else mounts


def hook_job(
    backup: BackupExecution,
    stage: str,
    hook: Hook,
    name: str,
    repository: Repository,
    claims: tuple[str, ...],
    settings: ArchiveSettings,
) -> JsonObject:
    """The Job of a hook; a validate hook's restores the snapshot's content first and reads nothing else."""
    ordered: list[JsonObject] = []
    mounts = _claim_mounts(claims, read_only=False)
    if stage == "validate":
        mounts = [{"name": "content", "mountPath": CONTENT}]
        ordered = build_containers(name, restores(backup), repository, settings, mounts)
        mounts = [mount | {"readOnly": True} for mount in mounts]
    ordered.append(_hook_container(backup, hook, mounts))
    made = build_job(name, backup.namespace, "hook", ordered, settings)
    volumes = made["spec"]["template"]["spec"]["volumes"]
    if stage == "validate":
        add_repository_access(made, repository, settings)
        volumes.append({"name": "content", "emptyDir": {}})
    else:
        volumes += claim_volumes(claims)
    restoring = backup.policy.deadline_seconds if stage == "validate" and backup.policy else 0
    made["spec"]["activeDeadlineSeconds"] = int(hook.timeout_seconds + START_SECONDS + restoring)
    return made


def restores(backup: BackupExecution) -> list[tuple[str, list[str]]]:
    """The steps that bring a backup's snapshots back below /content."""
    result = backup.result
    ids = [result.snapshot_id, result.database_snapshot_id] if result else []
    return [(f"content-{n}", restore.argv(found, CONTENT)) for n, found in enumerate(ids) if found]


def _hook_container(backup: BackupExecution, hook: Hook, mounts: list[JsonObject]) -> JsonObject:
    told = {
        "KRONKEEP_BACKUP": backup.id,
        "KRONKEEP_CRONJOB": f"{backup.namespace}/{backup.cronjob}",
        "KRONKEEP_RUN": backup.cronjob_execution_id or "",
        "KRONKEEP_STATUS": str(backup.ending or backup.status),
        "KRONKEEP_SNAPSHOT": backup.result.snapshot_id if backup.result else "",
    }
    return {
        "name": "hook",
        "image": hook.image,
        "command": list(hook.command),
        "env": [*({"name": k, "value": v} for k, v in told.items()), *secret_variables(hook.env)],
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False},
    }


def belongs(made: JsonObject, backup: BackupExecution, owner: JsonObject, node: str | None) -> None:
    """Marks a Job as the backup's: deleted with the CronJob, on the node that its claims need."""
    meta = made["metadata"]
    meta["ownerReferences"] = [owner]
    meta["labels"] |= {object_keys.BACKUP_LABEL: backup.id}
    meta["annotations"] = {object_keys.RUN_ANNOTATION: backup.cronjob_execution_id or ""}
    if node is not None:
        made["spec"]["template"]["spec"]["affinity"] = node_placement.on_node(node)
