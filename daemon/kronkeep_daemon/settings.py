"""The daemon's settings: one TOML file, checked as a whole before any of it is used.

The environment variables KRONKEEPD_STATE, KRONKEEPD_SOCKET and STATE_DIRECTORY override it.
An invalid file changes nothing: at start the daemon refuses to run, on reload the old settings stay in force.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from kronkeep_common.errors import InvalidRequest, InvalidSettings
from kronkeep_common.model_faults import describe_fault
from kronkeep_common.models.base import Request, Seconds
from kronkeep_common.models.policy import EnvName, SecretKeyRef
from kronkeep_common.schedule import Schedule
from kronkeep_daemon.alert_settings import AlertSettings, check_alerts

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "text", "json"]
READ_AT_START = ("state", "socket", "clusters", "manifests", "metrics")


class ClusterSettings(Request, frozen=True, kw_only=True):
    """One cluster to watch.

    kubeconfig: a file; a name that is no absolute path is a credential of systemd (LoadCredential=), which is
        a copy from the unit's start.
    context: a context of that file; without one, its current context.
    in_cluster: use the service account of the daemon's own pod instead.
    namespaces: the namespaces to watch; empty means all.
    clone: whether the cluster was made from a copy of another's etcd, and so has that one's uids. Both can be
        watched then, and keep their records apart by the section's name. Not to be changed later.
    """

    kubeconfig: str | None = None
    context: str | None = None
    in_cluster: bool = False
    namespaces: tuple[str, ...] = ()
    clone: bool = False


class AccessSettings(Request, frozen=True, kw_only=True):
    """Names of the local groups whose members have each level; root and the daemon's own user are admin.

    read: may look.
    operate: may also run, back up and restore.
    admin: may also change.
    """

    read: tuple[str, ...] = ("kronkeepd-ops",)
    operate: tuple[str, ...] = ("kronkeepd-oper",)
    admin: tuple[str, ...] = ("kronkeepd-admin",)


class AllowSettings(Request, frozen=True, kw_only=True):
    """Limits of what an admin may create.

    namespaces: where CronJobs and policies may be created and data restored to; empty or "*" means
        everywhere. Not in kronkeep's own namespace, which holds the storages' keys, nor in one of Kubernetes
        (kube-*), unless it is named here, beside "*" if need be.
    service_accounts: those that pods may name; none means only the default one.
    host_path: whether folders of the nodes may be mounted, and be storages.
    privileged: whether pods may reach out of their containers: privileged mode, added capabilities, the
        node's namespaces.
    """

    namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    host_path: bool = False
    privileged: bool = False

    def permits_namespace(self, namespace: str) -> bool:
        """Whether a namespace that is not reserved may be used."""
        return not self.namespaces or not {"*", namespace}.isdisjoint(self.namespaces)


class LimitSettings(Request, frozen=True, kw_only=True):
    """Limits of the use of the socket.

    connections: open at once by all users together.
    connections_per_uid, streams_per_uid: open at once by one user.
    requests_per_second: by one user.
    header_seconds, body_seconds: time to send the headers and the body of a request.
    """

    connections: Annotated[int, msgspec.Meta(ge=33)] = 256
    connections_per_uid: Annotated[int, msgspec.Meta(ge=1)] = 32
    streams_per_uid: Annotated[int, msgspec.Meta(ge=1)] = 8
    requests_per_second: Annotated[float, msgspec.Meta(ge=1)] = 100
    header_seconds: Annotated[float, msgspec.Meta(gt=0)] = 5
    body_seconds: Annotated[float, msgspec.Meta(gt=0)] = 30


class ParallelSettings(Request, frozen=True, kw_only=True):
    """How many archives work at once.

    repository: on one repository; forget, prune and check need it alone in any case.
    cluster: in one cluster.
    node: on one node, where only that node can mount a claim of the archive (ReadWriteOnce) and a running pod
        shows which it is; other archives are not counted for any node.
    """

    repository: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 4
    cluster: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 16
    node: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 2


class ArchiveSettings(Request, frozen=True, kw_only=True):
    """How kronkeep's Jobs run.

    image: a container image with restic.
    program: restic's path in the image.
    env: variables of the containers that run restic, such as HTTPS_PROXY and NO_PROXY where the storages are
        behind a proxy. Not for secrets: everybody who may read a Job sees them.
    requests, limits: resources of a container, as Kubernetes quantities.
    labels, annotations: added to the pods. Those that keep Istio, Linkerd, Kuma, Consul, Open Service Mesh,
        Dapr and Vault from injecting containers are there already; a value here replaces one.
    image_pull_secrets: names of Secrets with registry credentials, which the namespace of each Job must have.
    image_pull_policy: of the archives' image; Kubernetes chooses without one.
    priority_class: of the pods, as in Kubernetes; the cluster must have it.
    service_account: of the pods; its token is not mounted. Each namespace must have the account.
    node_selector, tolerations: of the pods, as in Kubernetes.
    run_as_user, run_as_group: of the containers; a user other than 0 has no capabilities and reads only the
        files that its rights allow.
    fs_group: the group that may read keys and claims.
    hooks_as_root: whether hooks and the checks of drills run as root although `run_as_user` is another user,
        for images that need it; the Pod Security level `restricted` refuses them then.
    read_only_root: whether the container's root file system is read-only.
    start_seconds: how long a Job of kronkeep's may wait for a container to start (for an image, a volume, a
        node, a quota) before it is given up; meanwhile its backup says what it waits for.
    parallel: how many archives work at once, such as {repository = 4, cluster = 16, node = 2}.
    prune_schedule: when the space of forgotten snapshots is freed, a cron line in `controller_zone`.
    apply_orphans_retention: whether the retention of a policy whose CronJob is gone goes on at that time, by
        its rules as they were last recorded; else its backups stay until somebody removes or adopts them.
    """

    image: str = "restic/restic:0.19.1"
    program: Annotated[str, msgspec.Meta(pattern="^/.+")] = "/usr/bin/restic"
    env: Annotated[dict[EnvName, str], msgspec.Meta(max_length=100)] = {}
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    image_pull_secrets: tuple[str, ...] = ()
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    priority_class: str | None = None
    service_account: str | None = None
    node_selector: dict[str, str] = {}
    tolerations: tuple[dict[str, str], ...] = ()
    run_as_user: int | None = None
    run_as_group: int | None = None
    fs_group: int | None = None
    hooks_as_root: bool = False
    read_only_root: bool = True
    start_seconds: Annotated[float, msgspec.Meta(ge=10)] = 600
    parallel: ParallelSettings = ParallelSettings()
    prune_schedule: str = "40 3 * * *"
    apply_orphans_retention: bool = False


class StorageSettings(Request, frozen=True, kw_only=True):
    """Care of the storages; all in seconds.

    create_seconds: how long creating a storage's repository may take.
    measure_every_seconds: between two measurements of its size; after a backup it is measured sooner.
    check_every_seconds: between two checks of its repository's structure (not of the data).
    first_byte_seconds: how long archives may take until restic reads the first file, before their repository
        is called crowded.
    """

    create_seconds: Annotated[float, msgspec.Meta(ge=1)] = 600
    measure_every_seconds: Annotated[float, msgspec.Meta(ge=60)] = 6 * 3600
    check_every_seconds: Annotated[float, msgspec.Meta(ge=60)] = 7 * 86400
    first_byte_seconds: Annotated[float, msgspec.Meta(ge=0.1)] = 30


class MetricsSettings(Request, frozen=True, kw_only=True):
    """Where Prometheus finds the metrics, beside `/metrics` on the socket; nowhere without one of these.

    listen: an address and a port, such as 127.0.0.1:9877 or [::1]:9877, where `GET /metrics` is answered to
        everybody who can connect, and nothing else is.
    allow_remote: whether `listen` may be another address than this machine's own (127.0.0.0/8, ::1).
    textfile: a file NAME.prom that is replaced every 15 s, for node_exporter's textfile collector.
    """

    listen: str | None = None
    allow_remote: bool = False
    textfile: str | None = None


PARQUET_DAYS = 64  # two months, as one waits so long for its last records


class SinkSettings(Request, frozen=True, kw_only=True):
    """One database that the history's changes are shipped to, or a folder that gets each month as files.

    name: of the sink, in messages and logs.
    kind: `postgres` or `parquet`; their libraries are extras, kronkeep[postgres] and kronkeep[parquet].
    folder: of a `parquet` sink, an absolute path; the other fields but `daemon` are those of `postgres`.
    url_file, url_secret: where the URL is, which is a secret: the first line of a file (a name that is no
        absolute path is a credential of systemd) or a key of a Secret in kronkeep's namespace. It is read
        again for each connection.
    daemon: this daemon's name in the database; without one, the name of this machine.
    sslmode: libpq's sslmode. Without one the URL decides; where neither does, TLS is required except on this
        machine.
    ca_file: the certificates of the CAs that the server's is verified with (sslmode verify-full); a name that
        is no absolute path is a credential of systemd.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]
    kind: Literal["postgres", "parquet"]
    folder: str | None = None
    url_file: str | None = None
    url_secret: SecretKeyRef | None = None
    daemon: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] | None = None
    ca_file: str | None = None


class HistorySettings(Request, frozen=True, kw_only=True):
    """How long the history keeps finished records and its audit trail.

    keep_days: finished records; 0 keeps them for ever. The figures of each day stay in any case.
    keep_runs_per_cronjob: so many of the newest runs of each CronJob; 0 is no limit.
    bare_jobs_per_namespace: for how many Jobs without a CronJob (by name) runs are kept in each namespace,
        the newest first; 0 keeps none.
    keep_audit_days: who did what.
    keep_log_bytes_per_namespace: kept logs of the runs, backups and restores of one namespace, on the disk.
        Beyond it the oldest of that namespace are removed; their records say so.
    keep_log_bytes: kept logs of all namespaces; beyond it those with the most bytes lose their oldest.
    archive_to: names of storages that a copy of the history goes to, in a repository and with a password of
        its own; see docs/history.md.
    archive_schedule: when, a cron line in `controller_zone`.
    archive_keep: how many copies stay in each storage.
    archive_name: under which name; daemons that share a storage need one each.
    sinks: databases that runs, backups, copies, restores and alerts are shipped to.
    sink_backlog_bytes: how many bytes of changes are kept for sinks that do not answer; a sink that needs
        older ones gets the whole history again.
    """

    keep_days: Annotated[int, msgspec.Meta(ge=0)] = 400
    keep_runs_per_cronjob: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    bare_jobs_per_namespace: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 200
    keep_audit_days: Annotated[int, msgspec.Meta(ge=1)] = 400
    keep_log_bytes_per_namespace: Annotated[int, msgspec.Meta(ge=2**20)] = 2 * 2**30
    keep_log_bytes: Annotated[int, msgspec.Meta(ge=2**20)] = 20 * 2**30
    archive_to: Annotated[tuple[str, ...], msgspec.Meta(max_length=5)] = ()
    archive_schedule: str = "50 2 * * *"
    archive_keep: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 30
    archive_name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")] = "kronkeepd"
    sinks: Annotated[tuple[SinkSettings, ...], msgspec.Meta(max_length=5)] = ()
    sink_backlog_bytes: Annotated[int, msgspec.Meta(ge=2**24)] = 2**30

    @property
    def databases(self) -> tuple[SinkSettings, ...]:
        """The sinks that are shipped each change."""
        return tuple(sink for sink in self.sinks if sink.kind == "postgres")


class LogSettings(Request, frozen=True, kw_only=True):
    """The daemon's log, which goes to standard error.

    level: the lowest level that is written; `kronkeepd --log-level` wins.
    format: `text` or `json`; `auto` writes lines with a priority for systemd's journal, text on a terminal
        and JSON elsewhere. `kronkeepd --log-format` wins.
    """

    level: LogLevel = "info"
    format: LogFormat = "auto"


class Settings(Request, frozen=True, kw_only=True):
    """Everything that an operator can set.

    `state`, `socket`, `manifests`, `clusters` and `metrics` are read at the start, everything else whenever
    the file changes, and at SIGHUP.

    state: the folder of the history and all other files of the daemon.
    socket: the path of the API's Unix socket.
    namespace: kronkeep's own namespace in each cluster.
    manifests: a folder whose manifests are applied and kept applied.
    controller_zone: the time zone of kube-controller-manager, which schedules CronJobs without a zone.
    clusters: the clusters to watch, by name.
    late_after_seconds: a run that starts later than this after its slot is late.
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
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()


def parse(text: str, where: str) -> Settings:
    """Return the settings in `text`, which is TOML; `where` is its file's name, for messages.

    Raises InvalidSettings with the file, the key and the fault.
    """
    try:
        settings = msgspec.toml.decode(text.encode(), type=Settings)
        for schedule in (settings.archive.prune_schedule, settings.history.archive_schedule):
            Schedule.parse(schedule, controller_zone=settings.controller_zone)
    except msgspec.ValidationError as fault:
        described = describe_fault(fault, Settings)
        raise InvalidSettings(f"{where}: {described.sentence}", file=where, field=described.path) from fault
    except (msgspec.DecodeError, InvalidRequest) as fault:
        raise InvalidSettings(f"{where}: {fault}", file=where) from fault
    check_alerts(settings.alerts, where)
    _check_sinks(settings.history, where)
    _check_metrics(settings.metrics, where)
    return settings


def parse_address(text: str) -> tuple[str, int]:
    """Return the address and the port of `listen`; raise ValueError for anything else."""
    host, _, port = text.rpartition(":")
    address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    if not 0 <= int(port) < 65536:
        raise ValueError("no port")
    return str(address), int(port)


def _check_metrics(metrics: MetricsSettings, where: str) -> None:
    if metrics.listen is not None:
        try:
            address, _ = parse_address(metrics.listen)
        except ValueError as fault:
            message = f"{where}: metrics.listen needs an address and a port, such as 127.0.0.1:9877."
            raise InvalidSettings(message, file=where) from fault
        if not ipaddress.ip_address(address).is_loopback and not metrics.allow_remote:
            message = (
                f"{where}: metrics.listen is no address of this machine alone, and metrics name CronJobs."
            )
            next_step = "Listen on 127.0.0.1, or set metrics.allow_remote = true."
            raise InvalidSettings(message, file=where, next_step=next_step)
    textfile = Path(metrics.textfile or "/none.prom")
    if not textfile.is_absolute() or textfile.suffix != ".prom":
        message = f"{where}: metrics.textfile must be an absolute path that ends with .prom."
        raise InvalidSettings(message, file=where)


def _check_sinks(history: HistorySettings, where: str) -> None:
    names = [sink.name for sink in history.sinks]
    for sink in history.sinks:
        if names.count(sink.name) > 1:
            raise InvalidSettings(f"{where}: two sinks are named {sink.name}.", file=where)
        fault = _parquet_fault(sink, history) if sink.kind == "parquet" else _postgres_fault(sink)
        if fault is not None:
            raise InvalidSettings(f"{where}: sink {sink.name} {fault}.", file=where)


def _postgres_fault(sink: SinkSettings) -> str | None:
    if (sink.url_file is None) == (sink.url_secret is None):
        return "needs either url_file or url_secret"
    return "has no folder, which is for the kind parquet" if sink.folder is not None else None


def _parquet_fault(sink: SinkSettings, history: HistorySettings) -> str | None:
    """Return what is wrong with a sink of months, or with limits that remove runs before a month is over."""
    if sink.folder is None or not Path(sink.folder).is_absolute():
        return "needs a folder, an absolute path"
    if any((sink.url_file, sink.url_secret, sink.sslmode, sink.ca_file)):
        return "takes a folder and no URL"
    if history.keep_runs_per_cronjob or 0 < history.keep_days < PARQUET_DAYS:
        return (
            "needs whole months: set history.keep_runs_per_cronjob = 0, and history.keep_days to 0 or "
            f"{PARQUET_DAYS} and more"
        )
    return None


def with_environment(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """Return the settings with KRONKEEPD_STATE, KRONKEEPD_SOCKET and systemd's STATE_DIRECTORY on top."""
    state = environment.get("KRONKEEPD_STATE") or environment.get("STATE_DIRECTORY") or settings.state
    socket = environment.get("KRONKEEPD_SOCKET") or settings.socket
    return msgspec.structs.replace(settings, state=state, socket=socket)


def load(path: Path | None) -> Settings:
    """Return the settings of a file, or the defaults without one, with the environment on top.

    Raises InvalidSettings for a file that cannot be read or is invalid.
    """
    if path is None:
        return with_environment(Settings(), os.environ)
    try:
        text = path.read_text()
    except OSError as fault:
        raise InvalidSettings(f"{path}: {fault.strerror}", file=str(path)) from fault
    return with_environment(parse(text, str(path)), os.environ)
