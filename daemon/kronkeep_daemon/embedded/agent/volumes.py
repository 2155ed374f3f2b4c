"""A pod's volumes as folders of this machine."""

import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from kronkeep_daemon.embedded.agent.environment import ConfigMissing, Fetch, decoded, field_of
from kronkeep_daemon.embedded.agent.sandbox import Mount
from kronkeep_daemon.kube.objects import JsonObject

Token = Callable[[int, str | None], Awaitable[str]]
_MADE = {"emptyDir", "secret", "configMap", "downwardAPI", "projected"}


class Volumes:
    """Claims live below `claims/<namespace>/<name>`; all else below the pod's folder and goes with it."""

    def __init__(self, *, folder: Path, pod: JsonObject, fetch: Fetch, token: Token) -> None:
        self._token = token
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

    def mounts(self, container: JsonObject) -> list[Mount]:
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

    async def _one(self, volume: JsonObject) -> tuple[Path, bool]:
        if claim := volume.get("persistentVolumeClaim"):
            return await self._claim(claim)
        if host := volume.get("hostPath"):
            return _host_path(host), False
        if not _MADE & volume.keys():
            kinds = ", ".join(sorted(volume.keys() - {"name"}))
            raise ConfigMissing(f"this node cannot mount a volume of the type {kinds}")
        own = self._own / volume["name"]
        own.mkdir(parents=True, exist_ok=True)
        if "emptyDir" in volume:
            return own, False
        sources = volume["projected"].get("sources") or [] if "projected" in volume else [volume]
        for source in sources:
            await self._written(source, own)
        return own, True

    async def _written(self, source: JsonObject, own: Path) -> None:
        """The files of one source; a projected volume has several, with every API server's own among them."""
        if secret := source.get("secret"):
            await self._files("secrets", secret.get("secretName") or secret["name"], secret, own)
        elif config := source.get("configMap"):
            await self._files("configmaps", config["name"], config, own)
        elif account := source.get("serviceAccountToken"):
            token = await self._token(account.get("expirationSeconds") or 3600, account.get("audience"))
            _write(own, account["path"], token, 0o400)
        elif downward := source.get("downwardAPI"):
            for item in downward.get("items") or []:
                _write(own, item["path"], field_of(self._pod, item["fieldRef"]["fieldPath"]), 0o644)

    async def _claim(self, claim: JsonObject) -> tuple[Path, bool]:
        name = claim["claimName"]
        if await self._fetch("persistentvolumeclaims", name) is None:
            raise ConfigMissing(f'persistentvolumeclaim "{name}" not found')
        path = self._claims / self._pod["metadata"]["namespace"] / name
        path.mkdir(parents=True, exist_ok=True)
        return path, bool(claim.get("readOnly"))

    async def _files(self, kind: str, name: str, source: JsonObject, folder: Path) -> None:
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


def _host_path(host: JsonObject) -> Path:
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
