"""Manifests of the Jobs that read a snapshot or a restore's target; pure.

Only restic's containers get the repository and its password; those that merely look at files do not.
"""

from kronkeep_common import object_keys
from kronkeep_common.models import DrillCheck
from kronkeep_daemon.backups.archive_manifests import SOURCE
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.job_manifests import join_containers
from kronkeep_daemon.restic import restore as restic_restore
from kronkeep_daemon.restic.command_line import keep_bytes
from kronkeep_daemon.restic.version import UNKNOWN, ResticVersion
from kronkeep_daemon.restores import move_script, snapshot_paths
from kronkeep_daemon.restores.move_script import Move
from kronkeep_daemon.restores.snapshot_paths import TARGET, RestoreCall, TargetMount

Steps = list[tuple[str, list[str]]]
SCRATCH_VOLUME = "scratch"
_REMOVAL = (
    'rm -rf -- "$@" 2>/dev/null && exit 0; '
    'find "$@" -type d -exec chmod u+rwx -- {} + 2>/dev/null; rm -rf -- "$@"'
)
RESTORED = "/restored"  # where a drill's check finds the restored files


def find_argv(roots: list[str]) -> list[str]:
    """List what is below the roots: `d`, `f`, `l` or `o` (other), the path and NUL, on a line each.

    Without parentheses: busybox (seen with 1.35) never runs an `-exec … +` inside them.
    """
    argv = ["find", *roots]
    for letter in "dfl":
        argv += ["-mindepth", "1"] if letter == "d" else ["-o"]
        argv += ["-type", letter, "-exec", "printf", f"{letter}%s\\0\\n", "{}", "+"]
    return [*argv, "-o", "-exec", "printf", "o%s\\0\\n", "{}", "+"]


def checksums_argv(roots: list[str]) -> list[str]:
    """Print the SHA-256 of every regular file below the roots."""
    return ["find", *roots, "-type", "f", "-exec", "sha256sum", "{}", "+"]


def hash_argv(path: str) -> list[str]:
    """Print the SHA-256 of one file."""
    return ["sha256sum", path]


def send_argv(path: str, width: str) -> list[str]:
    """Print a file as base64 in lines of `width` characters."""
    return ["base64", "-w", width, path]


def remove_argv(paths: list[str]) -> list[str]:
    """Remove files and folders with all that is in them; those that do not exist are no fault.

    A user other than root may have restored folders that it must not write to.
    """
    return ["sh", "-c", _REMOVAL, "rm", *paths]


def restore_steps(calls: list[RestoreCall], restic_version: ResticVersion = UNKNOWN) -> Steps:
    """Return (name, argv) of the containers that restore."""
    steps = []
    for number, call in enumerate(calls):
        argv = restic_restore.argv(
            call.snapshot_id,
            call.folder,
            patterns=call.patterns,
            verify=True,
            restic_version=restic_version,
        )
        steps.append((f"restore-{number}", keep_bytes(argv)))
    return steps


def add_comparison(
    job: JsonObject,
    calls: list[RestoreCall],
    mounts: list[TargetMount],
    moves: list[Move],
    *,
    with_checksums: bool,
    check: DrillCheck | None,
    check_context: JsonObject,
) -> JsonObject:
    """Add to a Job of `restore_steps` the containers that list and hash what was restored.

    /target is scratch space of the pod; the target's claims are mounted in it. Stages are moved to their
    place after they were compared, so that nothing is replaced by files that were not restored completely.
    What an earlier attempt has left of a move is settled first.

    moves: of the stages; none where files are restored to their final place.
    check: a drill's own check of the restored files, which runs last.
    check_context: the security context of its container.
    """
    pod = job["spec"]["template"]["spec"]
    containers = [*pod["initContainers"], *pod["containers"]]
    restic_container = containers[0]
    volume_mounts = _mount_target(pod, mounts)
    for container in containers:
        container["volumeMounts"] = [*container["volumeMounts"], *volume_mounts]
    restored = dict.fromkeys(call.folder for call in calls) if moves else [mount.path for mount in mounts]
    roots = list(restored) or [TARGET]
    steps: Steps = [("sums", checksums_argv(roots))] if with_checksums else []
    steps.append(("names", find_argv(roots)))
    if moves:
        recovery = {"name": "recover", "command": move_script.recover_argv(moves)}
        containers.insert(0, restic_container | recovery)
        steps.append(("move", move_script.move_argv(moves)))
    containers += [plain_container(restic_container, name, argv, volume_mounts) for name, argv in steps]
    containers = join_containers(containers)
    if check is not None:
        containers.append(_check_container(restic_container, check, check_context))
    pod["initContainers"] = containers[:-1]
    pod["containers"] = containers[-1:]
    return job


def _mount_target(pod: JsonObject, mounts: list[TargetMount]) -> list[JsonObject]:
    """Add the volumes of /target to a pod; return their mounts."""
    volume_mounts = [_claim_mount(number, mount) for number, mount in enumerate(mounts)]
    if not any(mount.path == TARGET for mount in mounts):
        volume_mounts.insert(0, {"name": SCRATCH_VOLUME, "mountPath": TARGET})
        pod["volumes"].append({"name": SCRATCH_VOLUME, "emptyDir": {}})
    pod["volumes"] += _claim_volumes(mounts)
    return volume_mounts


def add_sending(job: JsonObject, path: str, width: str) -> JsonObject:
    """Add to a Job that restores a file the containers that hash it and print it as base64.

    width: the length of the lines, in characters.
    """
    pod = job["spec"]["template"]["spec"]
    restic_container = pod["containers"][0]
    scratch = [{"name": SCRATCH_VOLUME, "mountPath": TARGET}]
    pod["volumes"].append({"name": SCRATCH_VOLUME, "emptyDir": {}})
    restic_container["volumeMounts"] = [*restic_container["volumeMounts"], *scratch]
    hash_file = plain_container(restic_container, "sum", keep_bytes(hash_argv(path)), scratch)
    send_file = plain_container(restic_container, "send", keep_bytes(send_argv(path, width)), scratch)
    pod["initContainers"] = [restic_container, hash_file]
    pod["containers"] = [send_file]
    return job


def build_cleanup_job(base: JsonObject, mounts: list[TargetMount], restore_id: str) -> JsonObject:
    """Return a Job that settles a move that was cut off, then removes the restore's stage from its claims.

    base: a Job of kronkeep's, which loses its access to a repository.
    """
    pod = base["spec"]["template"]["spec"]
    pod["volumes"] = _claim_volumes(mounts)
    volume_mounts = [_claim_mount(number, mount) for number, mount in enumerate(mounts)]
    recovery = move_script.recover_argv(snapshot_paths.stage_moves(mounts, restore_id))
    removal = remove_argv([f"{mount.path}/{snapshot_paths.stage_folder(restore_id)}" for mount in mounts])
    like = pod["containers"][0]
    pod["initContainers"] = [plain_container(like, "recover", recovery, volume_mounts)]
    pod["containers"] = [plain_container(like, "clean", removal, volume_mounts)]
    return base


def build_listing_job(base: JsonObject, mounts: list[TargetMount]) -> JsonObject:
    """Return a Job that lists what claims contain.

    base: a Job of kronkeep's, which loses its access to a repository.
    """
    pod = base["spec"]["template"]["spec"]
    pod["volumes"] = _claim_volumes(mounts)
    volume_mounts = [_claim_mount(number, mount) | {"readOnly": True} for number, mount in enumerate(mounts)]
    argv = find_argv([mount.path for mount in mounts])
    pod["containers"] = [plain_container(pod["containers"][0], "names", argv, volume_mounts)]
    return base


def plain_container(
    like: JsonObject, name: str, argv: list[str], volume_mounts: list[JsonObject]
) -> JsonObject:
    """Return a container with the image and limits of another one, without its environment and mounts."""
    copied = {key: value for key, value in like.items() if key not in ("env", "envFrom")}
    return copied | {"name": name, "command": argv, "volumeMounts": volume_mounts}


def build_claim(
    namespace: str, name: str, restore_id: str, size: int, storage_class: str | None
) -> JsonObject:
    """Return a new claim of `size` bytes for a restore, marked as its own."""
    labels = {object_keys.MANAGED_BY_LABEL: object_keys.MANAGED_BY, object_keys.RESTORE_LABEL: restore_id}
    spec: JsonObject = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": str(size)}},
    }
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
    }


def source_mounts(claims: tuple[str, ...]) -> tuple[list[JsonObject], list[JsonObject]]:
    """Return (volumes, mounts) of claims as an archive sees them, read only."""
    mounts = [TargetMount(claim, f"{SOURCE}/{claim}", "") for claim in claims]
    volume_mounts = [_claim_mount(number, mount) | {"readOnly": True} for number, mount in enumerate(mounts)]
    return _claim_volumes(mounts), volume_mounts


def _claim_mount(number: int, mount: TargetMount) -> JsonObject:
    volume_mount: JsonObject = {"name": f"claim-{number}", "mountPath": mount.path}
    return volume_mount | {"subPath": mount.sub_path} if mount.sub_path else volume_mount


def _claim_volumes(mounts: list[TargetMount]) -> list[JsonObject]:
    return [
        {"name": f"claim-{number}", "persistentVolumeClaim": {"claimName": mount.claim}}
        for number, mount in enumerate(mounts)
    ]


def _check_container(like: JsonObject, check: DrillCheck, context: JsonObject) -> JsonObject:
    volume_mounts = [{"name": SCRATCH_VOLUME, "mountPath": RESTORED}]
    container = plain_container(like, "check", list(check.command), volume_mounts)
    return container | {"image": check.image, "securityContext": context}
