"""The volumes of a pod as folders of this machine.

Implemented: persistentVolumeClaim (a folder that outlives the pod), emptyDir, hostPath, secret, configMap,
downwardAPI, and projected with these sources and service account tokens; `items`, `optional`, `readOnly` and
`subPath`.

Not implemented: other volume types; fsGroup, defaultMode and mode (Secrets and tokens are 0400, ConfigMaps
0444, downward API files 0644); subPathExpr; size limits; changes of a Secret or ConfigMap while its pod runs.
"""

import os
import shutil
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
_CREATED_TYPES = {"emptyDir", "secret", "configMap", "downwardAPI", "projected"}


class VolumeFolder(NamedTuple):
    """Where a volume of a pod lies on this machine."""

    path: Path
    read_only: bool


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

    async def create(self) -> None:
        """Create every volume of the pod; raises ConfigMissing, OSError."""
        for volume in self._pod["spec"].get("volumes") or []:
            self._volumes[volume["name"]] = await self._create_volume(volume)

    def remove(self) -> None:
        """Remove all volumes of the pod except its claims."""
        shutil.rmtree(self._pod_folder, ignore_errors=True)

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
            return VolumeFolder(folder, read_only=False)
        sources = volume["projected"].get("sources") or [] if "projected" in volume else [volume]
        for source in sources:
            await self._write_source(source, folder)
        return VolumeFolder(folder, read_only=True)

    async def _write_source(self, source: JsonObject, folder: Path) -> None:
        """Write the files of one source of a volume.

        kube-apiserver mounts a projected volume with three sources (token, CA, namespace) into every pod.
        """
        if secret := source.get("secret"):
            name = secret.get("secretName") or secret["name"]
            await self._write_keys("secrets", name, secret, folder)
        elif config_map := source.get("configMap"):
            await self._write_keys("configmaps", config_map["name"], config_map, folder)
        elif account := source.get("serviceAccountToken"):
            seconds = account.get("expirationSeconds") or TOKEN_SECONDS
            token = await self._request_token(seconds, account.get("audience"))
            _write_file(folder, account["path"], token, 0o400)
        elif downward := source.get("downwardAPI"):
            for item in downward.get("items") or []:
                text = read_field(self._pod, item["fieldRef"]["fieldPath"])
                _write_file(folder, item["path"], text, 0o644)

    async def _claim_folder(self, claim: JsonObject) -> VolumeFolder:
        name = claim["claimName"]
        if await self._fetch_object("persistentvolumeclaims", name) is None:
            raise ConfigMissing(f'persistentvolumeclaim "{name}" not found')
        path = self._claims_folder / self._pod["metadata"]["namespace"] / name
        path.mkdir(parents=True, exist_ok=True)
        return VolumeFolder(path, read_only=bool(claim.get("readOnly")))

    async def _write_keys(self, plural: str, name: str, source: JsonObject, folder: Path) -> None:
        """Write the keys of a Secret or ConfigMap that `source` lists (all without a list) as files."""
        obj = await self._fetch_object(plural, name)
        if obj is None:
            if source.get("optional"):
                return
            raise ConfigMissing(f'{plural.removesuffix("s")} "{name}" not found')
        data = decode_data(plural, obj)
        items = source.get("items") or [{"key": key, "path": key} for key in data]
        mode = 0o400 if plural == "secrets" else 0o444
        for item in items:
            if item["key"] not in data:
                raise ConfigMissing(f"references non-existent {plural.removesuffix('s')} key: {item['key']}")
            _write_file(folder, item["path"], data[item["key"]], mode)


def _host_folder(host_path: JsonObject) -> Path:
    path = Path(host_path["path"])
    if host_path.get("type") == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        raise ConfigMissing(f"hostPath {path} does not exist")
    return path


def _write_file(folder: Path, name: str, text: str, mode: int) -> None:
    path = _path_inside(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", errors="surrogateescape") as file:
        file.write(text)


def _path_inside(folder: Path, name: str) -> Path:
    """Return `folder/name`; raises ConfigMissing where that would be outside of the folder."""
    if name.startswith("/") or ".." in Path(name).parts:
        raise ConfigMissing(f"path {name} leaves its volume")
    return folder / name
