"""A pod's volumes as folders of this machine."""

import os
import shutil
from pathlib import Path
from typing import Any

from kronkeep_daemon.embedded.agent.environment import ConfigMissing, Fetch, decoded, field_of
from kronkeep_daemon.embedded.agent.sandbox import Mount

Object = dict[str, Any]
_MADE = {"emptyDir", "secret", "configMap", "downwardAPI"}


class Volumes:
    """Claims live below `claims/<namespace>/<name>`; all else below the pod's folder and goes with it."""

    def __init__(self, folder: Path, pod: Object, fetch: Fetch) -> None:
        self._claims = folder / "claims"
        self._own = folder / "pods" / pod["metadata"]["uid"]
        self._pod = pod
        self._fetch = fetch
        self._sources: dict[str, tuple[Path, bool]] = {}

    async def prepare(self) -> None:
        """Makes every volume of the pod; raises ConfigMissing."""
        for volume in self._pod["spec"].get("volumes") or []:
            self._sources[volume["name"]] = await self._one(volume)

    def remove(self) -> None:
        """Removes what was made for the pod alone."""
        shutil.rmtree(self._own, ignore_errors=True)

    def mounts(self, container: Object) -> list[Mount]:
        """The mounts of one container."""
        found = []
        for mount in container.get("volumeMounts") or []:
            source, read_only = self._sources[mount["name"]]
            if sub := mount.get("subPath"):
                source = _beneath(source, sub)
                if not source.exists():
                    source.mkdir(parents=True)
            found.append(Mount(source, mount["mountPath"], read_only or bool(mount.get("readOnly"))))
        return found

    async def _one(self, volume: Object) -> tuple[Path, bool]:
        if claim := volume.get("persistentVolumeClaim"):
            return await self._claim(claim)
        if host := volume.get("hostPath"):
            return _host_path(host), False
        if not _MADE & volume.keys():
            kinds = ", ".join(sorted(volume.keys() - {"name"}))
            raise ConfigMissing(f"this node cannot mount a volume of the type {kinds}")
        own = self._own / volume["name"]
        own.mkdir(parents=True, exist_ok=True)
        if secret := volume.get("secret"):
            await self._files("secrets", secret["secretName"], secret, own)
        elif config := volume.get("configMap"):
            await self._files("configmaps", config["name"], config, own)
        elif downward := volume.get("downwardAPI"):
            for item in downward.get("items") or []:
                _write(own, item["path"], field_of(self._pod, item["fieldRef"]["fieldPath"]), 0o644)
        else:
            return own, False
        return own, True

    async def _claim(self, claim: Object) -> tuple[Path, bool]:
        name = claim["claimName"]
        if await self._fetch("persistentvolumeclaims", name) is None:
            raise ConfigMissing(f'persistentvolumeclaim "{name}" not found')
        path = self._claims / self._pod["metadata"]["namespace"] / name
        path.mkdir(parents=True, exist_ok=True)
        return path, bool(claim.get("readOnly"))

    async def _files(self, kind: str, name: str, source: Object, folder: Path) -> None:
        obj = await self._fetch(kind, name)
        if obj is None:
            if source.get("optional"):
                return
            raise ConfigMissing(f'{kind.removesuffix("s")} "{name}" not found')
        data = decoded(kind, obj)
        items = source.get("items") or [{"key": key, "path": key} for key in data]
        mode = 0o400 if kind == "secrets" else 0o444
        for item in items:
            if item["key"] not in data:
                raise ConfigMissing(f"references non-existent {kind.removesuffix('s')} key: {item['key']}")
            _write(folder, item["path"], data[item["key"]], mode)


def _host_path(host: Object) -> Path:
    path = Path(host["path"])
    if host.get("type") == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        raise ConfigMissing(f"hostPath {path} does not exist")
    return path


def _write(folder: Path, name: str, text: str, mode: int) -> None:
    path = _beneath(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", errors="surrogateescape") as file:
        file.write(text)


def _beneath(folder: Path, name: str) -> Path:
    """`folder/name`, refused where it would leave the folder."""
    if name.startswith("/") or ".." in Path(name).parts:
        raise ConfigMissing(f"path {name} leaves its volume")
    return folder / name
