"""Settings: one TOML file, checked whole before any of it is used; environment variables come on top.

A file that is wrong changes nothing: at start the daemon refuses, on reload the settings in force stay.
"""

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from watchfiles import awatch

from kronkeep_common.errors import InvalidRequest, InvalidSettings
from kronkeep_common.models.base import Request, Seconds
from kronkeep_common.models.policy import SecretKeyRef
from kronkeep_common.schedule import Schedule


class ClusterSettings(Request, frozen=True, kw_only=True):
    """One cluster to watch: a kubeconfig and context, or the service account of the daemon's own pod.

    A `kubeconfig` that is no absolute path is one of systemd's credentials (LoadCredential=).
    `namespaces` limits the watches; empty means all.
    """

    kubeconfig: str | None = None
    context: str | None = None
    in_cluster: bool = False
    namespaces: tuple[str, ...] = ()


class AccessSettings(Request, frozen=True, kw_only=True):
    """Names of the local groups that hold each level; root and the daemon's own user are admin."""

    read: tuple[str, ...] = ("kronkeepd-ops",)
    operate: tuple[str, ...] = ("kronkeepd-oper",)
    admin: tuple[str, ...] = ("kronkeepd-admin",)


class AllowSettings(Request, frozen=True, kw_only=True):
    """What an admin may create; empty `namespaces` means all, everything else is off unless named.

    `privileged` is what reaches out of a container: privileged mode, added capabilities, a node's namespaces.
    """

    namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    host_path: bool = False
    privileged: bool = False


class LimitSettings(Request, frozen=True, kw_only=True):
    """What one user may have of the socket at once; `connections` counts all users, seconds are deadlines."""

    connections: Annotated[int, msgspec.Meta(ge=33)] = 256
    connections_per_uid: Annotated[int, msgspec.Meta(ge=1)] = 32
    streams_per_uid: Annotated[int, msgspec.Meta(ge=1)] = 8
    requests_per_second: Annotated[float, msgspec.Meta(ge=1)] = 100
    header_seconds: Annotated[float, msgspec.Meta(gt=0)] = 5
    body_seconds: Annotated[float, msgspec.Meta(gt=0)] = 30


class ArchiveSettings(Request, frozen=True, kw_only=True):
    """How our Jobs run: image, resources (Kubernetes quantities), placement, security context, pruning.

    `program` is restic's path in the image. A `run_as_user` other than 0 has no capability and reads only
    what it may; `fs_group` may read keys and claims. `prune_schedule` is when space of forgotten snapshots is
    given back, a cron line in the controller's zone.
    """

    image: str = "restic/restic:0.19.1"
    program: Annotated[str, msgspec.Meta(pattern="^/.+")] = "/usr/bin/restic"
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    node_selector: dict[str, str] = {}
    tolerations: tuple[dict[str, str], ...] = ()
    run_as_user: int | None = None
    run_as_group: int | None = None
    fs_group: int | None = None
    read_only_root: bool = True
    prune_schedule: str = "40 3 * * *"


class StorageSettings(Request, frozen=True, kw_only=True):
    """How long making a repository may take, and how often each storage is measured and checked, in seconds.

    A storage is measured sooner after a change. A check reads the repository's structure, not its data.
    """

    create_seconds: Annotated[float, msgspec.Meta(ge=1)] = 600
    measure_every_seconds: Annotated[float, msgspec.Meta(ge=60)] = 6 * 3600
    check_every_seconds: Annotated[float, msgspec.Meta(ge=60)] = 7 * 86400


class ChannelSettings(Request, frozen=True, kw_only=True):
    """One way by which alerts reach people, from `severity` on; `recoveries` says when they have ended.

    The URL is a secret: the first line of `url_file` (one of systemd's credentials, if it is no absolute
    path) or a key of a Secret in kronkeep's namespace, and read anew for each message.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]
    kind: Literal["apprise", "webhook"]
    url_file: str | None = None
    url_secret: SecretKeyRef | None = None
    severity: Literal["warning", "critical"] = "warning"
    recoveries: bool = True


class AlertSettings(Request, frozen=True, kw_only=True):
    """When something is an alert, and who is told.

    `failing_runs` failed runs in a row are critical; an open alert that nobody acknowledges is told again
    every `repeat_seconds` (0: never); a watch that is not live for `watch_seconds` is an alert.
    """

    failing_runs: Annotated[int, msgspec.Meta(ge=2, le=20)] = 3
    repeat_seconds: Annotated[float, msgspec.Meta(ge=0)] = 4 * 3600
    watch_seconds: Annotated[float, msgspec.Meta(ge=1)] = 60
    channels: Annotated[tuple[ChannelSettings, ...], msgspec.Meta(max_length=20)] = ()


class HistorySettings(Request, frozen=True, kw_only=True):
    """How long the history keeps what has ended, and its audit trail; without a limit everything is kept."""

    keep_days: Annotated[int, msgspec.Meta(ge=1)] | None = None
    keep_runs_per_cronjob: Annotated[int, msgspec.Meta(ge=1)] | None = None
    keep_audit_days: Annotated[int, msgspec.Meta(ge=1)] = 400


class Settings(Request, frozen=True, kw_only=True):
    """Everything an operator may set; `namespace` is kronkeep's own in each cluster.

    `manifests` is a folder whose files are applied and kept applied; state, socket, clusters and that
    folder are taken at the start, all else at once when the file changes.
    """

    state: str = "/var/lib/kronkeepd"
    socket: str = "/run/kronkeepd/api.sock"
    namespace: str = "kronkeep"
    manifests: str | None = None
    controller_zone: str = "UTC"
    late_after_seconds: Seconds = 120
    clusters: dict[str, ClusterSettings] = {}
    access: AccessSettings = AccessSettings()
    allow: AllowSettings = AllowSettings()
    limits: LimitSettings = LimitSettings()
    archive: ArchiveSettings = ArchiveSettings()
    storages: StorageSettings = StorageSettings()
    history: HistorySettings = HistorySettings()
    alerts: AlertSettings = AlertSettings()


def parse(text: str, where: str) -> Settings:
    """The settings in TOML `text`; raises InvalidSettings naming file, key and fault."""
    try:
        found = msgspec.toml.decode(text.encode(), type=Settings)
        Schedule.parse(found.archive.prune_schedule, controller_zone=found.controller_zone)
    except (msgspec.ValidationError, msgspec.DecodeError, InvalidRequest) as fault:
        raise InvalidSettings(f"{where}: {fault}", file=where) from fault
    _check_channels(found.alerts.channels, where)
    return found


def _check_channels(channels: tuple[ChannelSettings, ...], where: str) -> None:
    names = [channel.name for channel in channels]
    for channel in channels:
        if names.count(channel.name) > 1:
            raise InvalidSettings(f"{where}: two channels are named {channel.name}.", file=where)
        if (channel.url_file is None) == (channel.url_secret is None):
            words = f"{where}: channel {channel.name} needs either url_file or url_secret."
            raise InvalidSettings(words, file=where)


def with_environment(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """`settings` with KRONKEEPD_STATE, KRONKEEPD_SOCKET and systemd's STATE_DIRECTORY on top."""
    state = environment.get("KRONKEEPD_STATE") or environment.get("STATE_DIRECTORY") or settings.state
    socket = environment.get("KRONKEEPD_SOCKET") or settings.socket
    return msgspec.structs.replace(settings, state=state, socket=socket)


def load(path: Path | None) -> Settings:
    """The settings of the file `path` (defaults without one), environment on top; raises InvalidSettings."""
    if path is None:
        return with_environment(Settings(), os.environ)
    try:
        text = path.read_text()
    except OSError as fault:
        raise InvalidSettings(f"{path}: {fault.strerror}", file=str(path)) from fault
    return with_environment(parse(text, str(path)), os.environ)


async def reloads(path: Path) -> AsyncIterator[Settings | InvalidSettings]:
    """Each later version of the file as it is written: the settings, or what is wrong with them."""
    async for changes in awatch(path.parent, recursive=False, debounce=200):
        if any(Path(name) == path for _, name in changes):
            try:
                yield load(path)
            except InvalidSettings as fault:
                yield fault
