"""The Jobs that read a snapshot, as functions of records; argv lists only.

Only restic's containers see the repository and its password; what merely looks at files does not.
"""

from kronkeep_common import object_keys
from kronkeep_common.models import DrillCheck
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.restic import restore
from kronkeep_daemon.restores.path_mapping import SOURCE, TARGET, RestoreCall, TargetMount

Steps = list[tuple[str, list[str]]]
SCRATCH = "scratch"
RESTORED = "/restored"


def find_argv(roots: list[str]) -> list[str]:
    """Lists what is below the roots: `d` or `f` and the path, then NUL."""
    folder = ["-type", "d", "-exec", "printf", "d%s\\0\\n", "{}", "+"]
    other = ["-exec", "printf", "f%s\\0\\n", "{}", "+"]
    return ["find", *roots, "-mindepth", "1", "(", *folder, ")", "-o", "(", *other, ")"]


def sums_argv(roots: list[str]) -> list[str]:
    """Hashes every regular file below the roots."""
    return ["find", *roots, "-type", "f", "-exec", "sha256sum", "{}", "+"]


def restore_steps(calls: list[RestoreCall]) -> Steps:
    """The containers that restore, by name."""
    return [
        (f"restore-{n}", restore.verified_argv(call.snapshot_id, call.folder, call.patterns))
        for n, call in enumerate(calls)
    ]


def restore_job(
    job: JsonObject,
    calls: list[RestoreCall],
    where: list[TargetMount],
    *,
    sums: bool,
    check: DrillCheck | None = None,
) -> JsonObject:
    """Makes of a Job of `restore_steps` one that also lists what is there then, and hashes it.

    /target is scratch space of the pod; the target's claims are mounted in it. What was restored to a
    stage is moved to its place last, so that nothing is replaced by what did not come back whole.
    """
    pod = job["spec"]["template"]["spec"]
    steps = [*pod["initContainers"], *pod["containers"]]
    like = steps[0]
    claims = [_claim_mount(number, mount) for number, mount in enumerate(where)]
    if not any(mount.path == TARGET for mount in where):
        claims.insert(0, {"name": SCRATCH, "mountPath": TARGET})
        pod["volumes"].append({"name": SCRATCH, "emptyDir": {}})
    pod["volumes"] += _claim_volumes(where)
    for step in steps:
        step["volumeMounts"] = [*step["volumeMounts"], *claims]
    roots = [call.folder for call in calls if call.moved] or [mount.path for mount in where] or [TARGET]
    if sums:
        steps.append(plain(like, "sums", sums_argv(roots), claims))
    steps.append(plain(like, "names", find_argv(roots), claims))
    for number, call in enumerate(calls):
        if call.moved is not None:
            steps.append(plain(like, f"move-{number}", move_argv(*call.moved), claims))
    if check is not None:
        steps.append(_check(like, check))
    pod["initContainers"] = steps[:-1]
    pod["containers"] = steps[-1:]
    return job


def move_argv(source: str, target: str) -> list[str]:
    """Links what lies below a folder into another one of the same claim, over what is there.

    The same inodes come to be there: bytes, modes, times, owners and links are what was compared.
    """
    return ["cp", "-al", "--remove-destination", f"{source}/.", f"{target}/"]


def sending_job(job: JsonObject, path: str, width: str) -> JsonObject:
    """Makes of a Job that restores one that then hashes one file and prints it as base64 lines."""
    pod = job["spec"]["template"]["spec"]
    restore = pod["containers"][0]
    scratch = [{"name": SCRATCH, "mountPath": TARGET}]
    pod["volumes"].append({"name": SCRATCH, "emptyDir": {}})
    restore["volumeMounts"] = [*restore["volumeMounts"], *scratch]
    pod["initContainers"] = [restore, plain(restore, "sum", ["sha256sum", path], scratch)]
    pod["containers"] = [plain(restore, "send", ["base64", "-w", width, path], scratch)]
    return job


def clean_job(job: JsonObject, where: list[TargetMount], stage: str) -> JsonObject:
    """Makes of a Job one that removes the stage of a restore from its claims."""
    pod = job["spec"]["template"]["spec"]
    pod["volumes"] = _claim_volumes(where)
    mounts = [_claim_mount(number, mount) for number, mount in enumerate(where)]
    argv = ["rm", "-rf", "--", *(f"{mount.path}/{stage}" for mount in where)]
    pod["containers"] = [plain(pod["containers"][0], "clean", argv, mounts)]
    return job


def look_job(name: str, namespace: str, where: list[TargetMount], base: JsonObject) -> JsonObject:
    """A Job that lists what claims hold; `base` is a Job of ours whose repository is taken away."""
    job = without_repository(base, name, namespace)
    pod = job["spec"]["template"]["spec"]
    mounts = [_claim_mount(number, mount) | {"readOnly": True} for number, mount in enumerate(where)]
    pod["volumes"] = _claim_volumes(where)
    pod["containers"] = [plain(pod["containers"][0], "names", find_argv([m.path for m in where]), mounts)]
    return job


def without_repository(base: JsonObject, name: str, namespace: str) -> JsonObject:
    """The Job without the repository's volumes and password."""
    base["metadata"] |= {"name": name, "namespace": namespace}
    base["spec"]["template"]["spec"]["volumes"] = []
    return base


def plain(like: JsonObject, name: str, argv: list[str], mounts: list[JsonObject]) -> JsonObject:
    """A container with the image and limits of another one, without its environment and mounts."""
    kept = {key: value for key, value in like.items() if key not in ("env", "envFrom")}
    return kept | {"name": name, "command": argv, "volumeMounts": mounts}


def claim(namespace: str, name: str, restore_id: str, size: int, storage_class: str | None) -> JsonObject:
    """A new claim for a restore, marked as its own."""
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
    """(volumes, mounts) of claims as an archive sees them, read only."""
    where = [TargetMount(claim, f"{SOURCE}/{claim}", "") for claim in claims]
    mounts = [_claim_mount(number, mount) | {"readOnly": True} for number, mount in enumerate(where)]
    return _claim_volumes(where), mounts


def _claim_mount(number: int, mount: TargetMount) -> JsonObject:
    found: JsonObject = {"name": f"claim-{number}", "mountPath": mount.path}
    return found | {"subPath": mount.sub_path} if mount.sub_path else found


def _claim_volumes(where: list[TargetMount]) -> list[JsonObject]:
    return [
        {"name": f"claim-{number}", "persistentVolumeClaim": {"claimName": mount.claim}}
        for number, mount in enumerate(where)
    ]


def _check(like: JsonObject, check: DrillCheck) -> JsonObject:
    mounts = [{"name": SCRATCH, "mountPath": RESTORED}]
    found = plain(like, "check", list(check.command), mounts)
    return found | {"image": check.image, "securityContext": {"allowPrivilegeEscalation": False}}
