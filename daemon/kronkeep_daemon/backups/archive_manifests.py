"""The manifests of one backup's Jobs: its archive and its hooks; pure."""

from collections.abc import Mapping

from kronkeep_common import object_keys
from kronkeep_common.models import BackupExecution, BackupPolicy, DatabaseDump, Hook, SecretKeyRef
from kronkeep_daemon.backups import cronjob_configuration, socket_search
from kronkeep_daemon.backups.archive_inputs import ArchiveInputs
from kronkeep_daemon.jobs import node_placement
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.job_manifests import (
    add_repository_access,
    build_containers,
    build_job,
    join_containers,
    owner_reference,
    policy_image_security_context,
)
from kronkeep_daemon.repositories.job_names import archive_job_name
from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restic import cat, restore, snapshots, version
from kronkeep_daemon.restic.parent import with_parent
from kronkeep_daemon.restic.snapshots import SnapshotTags
from kronkeep_daemon.settings import ArchiveSettings

SOURCE = "/source"
CONTENT = "/content"
CONTENT_STEP = "content"  # begins the names of the containers that restore a snapshot for a hook
TOOLS = "/kronkeep/tools"
_TOOLS_MOUNT: JsonObject = {"name": "tools", "mountPath": TOOLS}
_COPIED_PROGRAM = f"{TOOLS}/restic"
# Time for a hook's pod to be scheduled and its image to be pulled, which the hook's timeout does not include.
START_SECONDS = 120


def hook_job_name(backup: BackupExecution, stage: str, position: int) -> str:
    """Return the name of a hook's Job in the current attempt.

    It has at most 63 characters: 56 of the archive's name, and `-post19`.
    """
    return f"{archive_job_name(backup)}-{stage[:4]}{position}"


def archive_job(
    backup: BackupExecution,
    inputs: ArchiveInputs,
    files: list[str],
    settings: ArchiveSettings,
    *,
    repository_id: str = "",
    is_first: bool = False,
    parent: str | None = None,
    copies: Mapping[str, str] | None = None,
) -> JsonObject:
    """Return the Job of an archive; its steps run one after the other, in as few containers as may be.

    First come the probes (restic, the sources, the repository), then the dump, then the files, at last a list
    of the snapshots that this has made. A parent takes the place of the repository's probe, unless there is a
    dump, which has none. A step that fails ends the pod, so a dump that fails leaves no
    snapshot, and files of which some cannot be read have their dump beside them.

    files: the names of the configuration's files, which are in the Job's ConfigMap.
    repository_id: the id that the repository must have; empty where it is not known.
    is_first: whether the policy has no snapshot yet; then sockets are looked for, which restic leaves out.
    parent: the id of the policy's last snapshot in the repository; None where restic is to look for one.
    copies: by claim the name of another claim that is read instead, at the same path.
    """
    name = archive_job_name(backup)
    dump = inputs.policy.include.database
    paths = source_paths(inputs.policy, inputs.claims, files)
    steps = [("version", version.argv())]
    if paths:
        steps.append(("sources", probe_argv(paths)))
    if paths and is_first:
        steps.append((socket_search.STEP, socket_search.argv(paths)))
    reads_all = is_first or backup.backup_type == "full"
    if reads_all:
        parent = None
    if parent is None or dump is not None or not paths:
        steps.append(("repository", cat.argv(repository_id)))
    mounts = [*_claim_mounts(inputs.claims, read_only=True), *cronjob_configuration.mounts(files)]
    first_mounts = [*mounts, _TOOLS_MOUNT] if dump is not None else mounts
    containers = build_containers(steps, inputs.repository, settings, first_mounts)
    volumes = _claim_volumes(inputs.claims, copies or {})
    if files:
        volumes.append(cronjob_configuration.volume(name))
    if dump is not None:
        copy = ("tools", copy_argv(settings.program, _COPIED_PROGRAM))
        containers += build_containers([copy], inputs.repository, settings, first_mounts)
        containers.append(_dump_container(backup, inputs, dump, settings))
        volumes.append({"name": "tools", "emptyDir": {}})
    if paths:
        # For a first archive restic would read every snapshot of the repository to look for a parent. Where
        # the records were lost there is one; then all files are read once, and not stored again.
        options = _options(backup, inputs, "files" if dump else "", force=reads_all)
        argv = restic_backup.argv(options, paths, inputs.policy.source)
        if parent is not None:
            argv = with_parent(argv, parent)
        containers += build_containers([("backup", argv)], inputs.repository, settings, mounts)
    confirmation = (snapshots.STEP, snapshots.confirmation_argv(tags_of(backup, inputs.policy), parent))
    containers += build_containers([confirmation], inputs.repository, settings, mounts)
    job = build_job(name, backup.namespace, "archive", join_containers(containers), settings)
    add_repository_access(job, inputs.repository, settings)
    job["spec"]["activeDeadlineSeconds"] = max(1, int(inputs.policy.deadline_seconds))
    _pod_of(job)["volumes"] += volumes
    return job


def probe_argv(paths: list[str]) -> list[str]:
    """Name the paths, and fail where one does not exist."""
    return ["ls", "-d", "--", *paths]


def copy_argv(program: str, target: str) -> list[str]:
    """Copy a program with its mode."""
    return ["cp", program, target]


def tags_of(
    backup: BackupExecution, policy: BackupPolicy, *, part: str = "", run_status: str = ""
) -> SnapshotTags:
    """Return the tags of the snapshots of a backup."""
    return SnapshotTags(
        policy=policy.id,
        run=backup.cronjob_execution_id or backup.id,
        backup=backup.id,
        part=part,
        cluster=backup.cluster,
        namespace=backup.namespace,
        cronjob=backup.cronjob,
        cronjob_id=backup.cronjob_id,
        backup_type=backup.backup_type,
        trigger=backup.trigger,
        run_status=run_status,
    )


def _options(
    backup: BackupExecution, inputs: ArchiveInputs, part: str, *, force: bool
) -> restic_backup.BackupOptions:
    return restic_backup.BackupOptions(
        host=inputs.repository.snapshot_host(backup),
        tags=tags_of(backup, inputs.policy, part=part, run_status=inputs.run_status),
        compression=compression_of(backup, inputs.policy),
        limits=inputs.policy.limits,
        read_concurrency=inputs.policy.read_concurrency,
        pack_size_mib=inputs.policy.pack_size_mib,
        force=force,
    )


def compression_of(backup: BackupExecution, policy: BackupPolicy) -> str:
    """Return the policy's compression, unless another one was asked for this backup."""
    return backup.overrides.get("compression", policy.compression)


def _dump_container(
    backup: BackupExecution, inputs: ArchiveInputs, dump: DatabaseDump, settings: ArchiveSettings
) -> JsonObject:
    """Return the container of a database's dump.

    The dump runs in its own image, which has no restic: the step `tools` copies the program beside it.
    """
    options = _options(backup, inputs, "database", force=backup.backup_type == "full")
    argv = restic_backup.dump_argv(options, dump.file_name, dump.command)
    (database,) = build_containers([("database", argv)], inputs.repository, settings, [_TOOLS_MOUNT])
    database["image"] = dump.image
    database["command"][database["command"].index(settings.program)] = _COPIED_PROGRAM
    database["env"] = [*database["env"], *_secret_variables(dump.env)]
    return database


def _secret_variables(env: dict[str, SecretKeyRef]) -> list[JsonObject]:
    """Return environment variables from Secrets of the pod's namespace."""
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": ref.secret, "key": ref.key}}}
        for name, ref in env.items()
    ]


def source_paths(policy: BackupPolicy, claims: tuple[str, ...], files: list[str]) -> list[str]:
    """Return the paths to archive as the pod has them.

    They are the same in each backup, so that restic finds the parent snapshot.
    """
    paths_by_claim = {source.claim: source.paths for source in policy.source.claims}
    paths = []
    for claim in claims:
        base = f"{SOURCE}/{claim}"
        paths += [f"{base}/{path}" for path in paths_by_claim.get(claim, ())] or [base]
    return [*paths, cronjob_configuration.FOLDER] if files else paths


def _claim_volumes(claims: tuple[str, ...], copies: Mapping[str, str]) -> list[JsonObject]:
    return [
        {"name": f"claim-{number}", "persistentVolumeClaim": {"claimName": copies.get(claim, claim)}}
        for number, claim in enumerate(claims)
    ]


def _claim_mounts(claims: tuple[str, ...], *, read_only: bool) -> list[JsonObject]:
    mounts: list[JsonObject] = [
        {"name": f"claim-{number}", "mountPath": f"{SOURCE}/{claim}"} for number, claim in enumerate(claims)
    ]
    return _read_only(mounts) if read_only else mounts


def _read_only(mounts: list[JsonObject]) -> list[JsonObject]:
    return [mount | {"readOnly": True} for mount in mounts]


def hook_job(
    backup: BackupExecution, inputs: ArchiveInputs, hook: Hook, name: str, settings: ArchiveSettings
) -> JsonObject:
    """Return the Job of a pre or post hook, which may write to the claims."""
    container = _hook_container(backup, hook, _claim_mounts(inputs.claims, read_only=False), settings)
    job = build_job(name, backup.namespace, "hook", [container], settings)
    _pod_of(job)["volumes"] += _claim_volumes(inputs.claims, {})
    job["spec"]["activeDeadlineSeconds"] = int(hook.timeout_seconds + START_SECONDS)
    return job


def validate_hook_job(
    backup: BackupExecution, inputs: ArchiveInputs, hook: Hook, name: str, settings: ArchiveSettings
) -> JsonObject:
    """Return the Job of a validate hook: it restores the snapshot's content, which the hook can only read."""
    mounts: list[JsonObject] = [{"name": "content", "mountPath": CONTENT}]
    containers = build_containers(content_steps(backup), inputs.repository, settings, mounts)
    containers.append(_hook_container(backup, hook, _read_only(mounts), settings))
    job = build_job(name, backup.namespace, "hook", containers, settings)
    add_repository_access(job, inputs.repository, settings)
    _pod_of(job)["volumes"].append({"name": "content", "emptyDir": {}})
    restoring = inputs.policy.deadline_seconds
    job["spec"]["activeDeadlineSeconds"] = int(hook.timeout_seconds + START_SECONDS + restoring)
    return job


def content_steps(backup: BackupExecution) -> list[tuple[str, list[str]]]:
    """Return the steps that restore a backup's snapshots to /content, with the restic that made them."""
    result = backup.result
    made_with = version.parse_text(f"restic {result.restic_version}" if result else "")
    ids = [result.snapshot_id, result.database_snapshot_id] if result else []
    return [
        (f"{CONTENT_STEP}-{number}", restore.argv(snapshot_id, CONTENT, restic_version=made_with))
        for number, snapshot_id in enumerate(ids)
        if snapshot_id
    ]


def _hook_container(
    backup: BackupExecution, hook: Hook, mounts: list[JsonObject], settings: ArchiveSettings
) -> JsonObject:
    variables = {
        "KRONKEEP_BACKUP": backup.id,
        "KRONKEEP_CRONJOB": f"{backup.namespace}/{backup.cronjob}",
        "KRONKEEP_RUN": backup.cronjob_execution_id or "",
        "KRONKEEP_STATUS": str(backup.ending or backup.status),
        "KRONKEEP_SNAPSHOT": backup.result.snapshot_id if backup.result else "",
    }
    environment = [{"name": name, "value": value} for name, value in variables.items()]
    return {
        "name": "hook",
        "image": hook.image,
        "command": list(hook.command),
        "env": [*environment, *_secret_variables(hook.env)],
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": policy_image_security_context(settings),
    }


def assign_to_backup(
    job: JsonObject, backup: BackupExecution, inputs: ArchiveInputs, node: str | None
) -> None:
    """Mark a Job as the backup's, to be deleted with its CronJob and to run on `node` where that is given."""
    meta = job["metadata"]
    meta["ownerReferences"] = [owner_reference(inputs.cronjob)]
    meta["labels"] |= {object_keys.BACKUP_LABEL: backup.id}
    meta["annotations"] = {object_keys.RUN_ANNOTATION: backup.cronjob_execution_id or ""}
    if node is not None:
        _pod_of(job)["affinity"] = node_placement.node_affinity(node)


def _pod_of(job: JsonObject) -> JsonObject:
    pod: JsonObject = job["spec"]["template"]["spec"]
    return pod
