"""The volumes of a pod as folders of this machine.

Implemented: persistentVolumeClaim (a folder that outlives the pod), emptyDir, hostPath, secret, configMap,
downwardAPI, and projected with these sources and service account tokens; `items`, `optional`, `readOnly`,
`subPath`, `defaultMode`, `mode` and `fsGroup`; files of a downwardAPI volume follow the pod's annotations and
labels. As a new file system is, a claim is root's and 0755 until an
fsGroup owns it.

Not implemented: other volume types; fsGroupChangePolicy (always Always); fsGroup where the agent is not root;
subPathExpr; size limits; changes of a Secret or ConfigMap while its pod runs.
"""

import asyncio
import os
import shutil
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from kronkeep_daemon.embedded.agent.environment import (
    ConfigMissing,
    FetchObject,
    decode_data,
    read_field,
)
from kronkeep_daemon.embedded.agent.sandbox import BindMount
from kronkeep_daemon.kube.objects import JsonObject

RequestToken = Callable[[int, str | None], Awaitable[str]]
TOKEN_SECONDS = 3600
EMPTY_FOLDER_MODE = 0o777  # a kubelet's, for every user
FOLDER_MODE = 0o755
FILE_MODE = 0o644  # kube-apiserver's default for defaultMode
_CREATED_TYPES = {"emptyDir", "secret", "configMap", "downwardAPI", "projected"}


class VolumeFolder(NamedTuple):
    """Where a volume of a pod lies on this machine."""

    path: Path
    read_only: bool
    is_claim: bool = False


class VolumeFile(NamedTuple):
    """A file of a volume that holds objects; `mode` None is the volume's."""

    name: str
    text: str
    mode: int | None


class PodVolumes:
    """The volumes of one pod below `folder`.

    Claims lie at `claims/NAMESPACE/NAME` and are kept; all others lie at `pods/UID` and are removed with the
    pod. `fetch_object` reads Secrets, ConfigMaps and claims of the pod's namespace; `request_token` returns a
    token of the pod's service account for a number of seconds and an audience.
    """

    def __init__(
        self, *, folder: Path, pod: JsonObject, fetch_object: FetchObject, request_token: RequestToken
    ) -> None:
        self._request_token = request_token
        self._claims_folder = folder / "claims"
        self._pod_folder = folder / "pods" / pod["metadata"]["uid"]
        self._pod = pod
        self._fetch_object = fetch_object
        self._volumes: dict[str, VolumeFolder] = {}
        group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
        self._group: int | None = group if os.geteuid() == 0 else None

    async def create(self) -> None:
        """Create every volume of the pod; raises ConfigMissing, OSError."""
        for volume in self._pod["spec"].get("volumes") or []:
            created = await self._create_volume(volume)
            if self._group is not None and "hostPath" not in volume:
                await asyncio.to_thread(_give_to_group, created, self._group)
            self._volumes[volume["name"]] = created

    def remove(self) -> None:
        """Remove all volumes of the pod except its claims."""
        shutil.rmtree(self._pod_folder, ignore_errors=True)

    def update_fields(self, pod: JsonObject) -> None:
        """Write the files of downwardAPI volumes again, after a change of the pod."""
        self._pod = pod
        for volume in pod["spec"].get("volumes") or []:
            if "downwardAPI" in volume and volume["name"] in self._volumes:
                mode = volume["downwardAPI"].get("defaultMode", FILE_MODE)
                _write_files(self._volumes[volume["name"]].path, self._read_fields(volume), mode)

    def _read_fields(self, source: JsonObject) -> list[VolumeFile]:
        """Return the fields of the pod that a downwardAPI source names, as files."""
        return [
            VolumeFile(item["path"], read_field(self._pod, item["fieldRef"]["fieldPath"]), item.get("mode"))
            for item in source["downwardAPI"].get("items") or []
        ]

    def mounts_of(self, container: JsonObject) -> list[BindMount]:
        """Return the mounts of one container of the pod."""
        mounts = []
        for mount in container.get("volumeMounts") or []:
            volume = self._volumes[mount["name"]]
            source = volume.path
            if sub_path := mount.get("subPath"):
                source = _path_inside(source, sub_path)
                if not source.exists():
                    source.mkdir(parents=True)
            read_only = volume.read_only or bool(mount.get("readOnly"))
            mounts.append(BindMount(source, mount["mountPath"], read_only))
        return mounts

    async def _create_volume(self, volume: JsonObject) -> VolumeFolder:
        if claim := volume.get("persistentVolumeClaim"):
            return await self._claim_folder(claim)
        if host_path := volume.get("hostPath"):
            return VolumeFolder(_host_folder(host_path), read_only=False)
        if not _CREATED_TYPES & volume.keys():
            types = ", ".join(sorted(volume.keys() - {"name"}))
            raise ConfigMissing(f"this node cannot mount a volume of the type {types}")
        folder = self._pod_folder / volume["name"]
        folder.mkdir(parents=True, exist_ok=True)
        if "emptyDir" in volume:
            folder.chmod(EMPTY_FOLDER_MODE)
            return VolumeFolder(folder, read_only=False)
        folder.chmod(FOLDER_MODE)
        (kind,) = _CREATED_TYPES & volume.keys()
        mode = volume[kind].get("defaultMode", FILE_MODE)
        for source in volume[kind].get("sources") or [] if kind == "projected" else [volume]:
            await self._write_source(source, folder, mode)
        return VolumeFolder(folder, read_only=True)

    async def _write_source(self, source: JsonObject, folder: Path, mode: int) -> None:
        """Write the files of one source of a volume, with `mode` where an item has none of its own.

        kube-apiserver mounts a projected volume with three sources (token, CA, namespace) into every pod.
        """
        if secret := source.get("secret"):
            name = secret.get("secretName") or secret["name"]
            _write_files(folder, await self._read_keys("secrets", name, secret), mode)
        elif config_map := source.get("configMap"):
            _write_files(folder, await self._read_keys("configmaps", config_map["name"], config_map), mode)
        elif account := source.get("serviceAccountToken"):
            seconds = account.get("expirationSeconds") or TOKEN_SECONDS
            token = await self._request_token(seconds, account.get("audience"))
            _write_files(folder, [VolumeFile(account["path"], token, None)], mode)
        elif source.get("downwardAPI"):
            _write_files(folder, self._read_fields(source), mode)

    async def _claim_folder(self, claim: JsonObject) -> VolumeFolder:
        name = claim["claimName"]
        if await self._fetch_object("persistentvolumeclaims", name) is None:
            raise ConfigMissing(f'persistentvolumeclaim "{name}" not found')
        path = self._claims_folder / self._pod["metadata"]["namespace"] / name
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(FOLDER_MODE)
        return VolumeFolder(path, read_only=bool(claim.get("readOnly")), is_claim=True)

    async def _read_keys(self, plural: str, name: str, source: JsonObject) -> list[VolumeFile]:
        """Return the keys of a Secret or ConfigMap that `source` lists (all without a list) as files."""
        obj = await self._fetch_object(plural, name)
        if obj is None:
            if source.get("optional"):
                return []
            raise ConfigMissing(f'{plural.removesuffix("s")} "{name}" not found')
        data = decode_data(plural, obj)
        items = source.get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            if item["key"] not in data:
                raise ConfigMissing(f"references non-existent {plural.removesuffix('s')} key: {item['key']}")
        return [VolumeFile(item["path"], data[item["key"]], item.get("mode")) for item in items]


def _host_folder(host_path: JsonObject) -> Path:
    path = Path(host_path["path"])
    if host_path.get("type") == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        raise ConfigMissing(f"hostPath {path} does not exist")
    return path


def _write_files(folder: Path, files: list[VolumeFile], mode: int) -> None:
    """Write files with their modes, `mode` where one has none; one that exists is replaced as a whole."""
    for file in files:
        path = _path_inside(folder, file.name)
        for parent in reversed(path.relative_to(folder).parents[:-1]):
            (folder / parent).mkdir(exist_ok=True)
            (folder / parent).chmod(FOLDER_MODE)
        new = path.with_name(f"..{path.name}.new")
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", errors="surrogateescape") as stream:
            stream.write(file.text)
        new.chmod(mode if file.mode is None else file.mode)
        new.replace(path)


def _give_to_group(volume: VolumeFolder, group: int) -> None:
    """Let a group own everything in a volume and use it as root does, as a kubelet's SetVolumeOwnership.

    Folders give the group on to what is created in them. A claim that is mounted read-only is left alone.
    """
    if volume.is_claim and volume.read_only:
        return
    rights = 0o440 if volume.read_only else 0o660
    for path in (volume.path, *volume.path.rglob("*")):
        os.chown(path, -1, group, follow_symlinks=False)
        if not path.is_symlink():
            folder_rights = 0o2110 if path.is_dir() else 0
            path.chmod(stat.S_IMODE(path.stat().st_mode) | rights | folder_rights)


def _path_inside(folder: Path, name: str) -> Path:
    """Return `folder/name`; raises ConfigMissing where that would be outside of the folder."""
    if name.startswith("/") or ".." in Path(name).parts:
        raise ConfigMissing(f"path {name} leaves its volume")
    return folder / name
