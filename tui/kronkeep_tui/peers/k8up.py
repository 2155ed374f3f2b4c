"""K8up's Schedules as storages and policies of claims (k8up.io/v1; field names as in K8up's api/v1).

K8up backs up every claim of a Schedule's namespace, but for those with the annotation k8up.io/backup=false,
into one restic repository. That repository is taken over: a storage with the layout `shared`, its password
and its address.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from kronkeep_common import subject_names
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorageCreate,
    ClaimPolicyManifest,
    Retention,
    SecretKeyRef,
)
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_common.schedule import Schedule
from kronkeep_common.text import clean
from kronkeep_tui.peers.import_plan import ImportPlan, SecretCopy, copy_command

GROUP = "k8up.io/"
CLUSTER_KINDS = ("schedules.k8up.io", "prunes.k8up.io", "checks.k8up.io", "persistentvolumeclaims")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_KEEPS = ("keepLast", "keepHourly", "keepDaily", "keepWeekly", "keepMonthly", "keepYearly")
# Of a Schedule's sections and fields, what has no counterpart in a policy, and what takes its place.
_ADVICE = {
    "archive": "second copies are `copies` of a policy",
    "restore": "restores are started by hand, test restores are `drill` of a policy",
    "check": "each storage is checked by itself (storages.check_every_seconds)",
    "podSecurityContext": "archive.run_as_user and its neighbours in the settings",
    "resourceRequirementsTemplate": "archive.requests and archive.limits in the settings",
    "failedJobsHistoryLimit": "kronkeep removes its Jobs and keeps their records",
    "successfulJobsHistoryLimit": "kronkeep removes its Jobs and keeps their records",
    "keepJobs": "kronkeep removes its Jobs and keeps their records",
}
_SECTION_ADVICE = {
    "tags": "snapshots have kronkeep's tags",
    "promURL": "kronkeep's metrics: docs/metrics.md",
    "statsURL": "alerts, heartbeats and reports: docs/alerts.md",
    "concurrentRunsAllowed": "a policy makes one archive at a time",
    "keepTags": "snapshots are kept by `kronkeep pin`",
    "hostnames": "a policy removes its own snapshots only",
    "labelSelectors": "only the claims that have a policy are backed up: remove those of the others",
    "podSecurityContext": _ADVICE["podSecurityContext"],
    "resources": _ADVICE["resourceRequirementsTemplate"],
    "activeDeadlineSeconds": "`deadline_seconds` of a policy",
}
# How often a schedule such as @daily-random fires, as the fields that are random in a cron line.
_RANDOM = {
    "@hourly-random": "{minute} * * * *",
    "@daily-random": "{minute} {hour} * * *",
    "@midnight-random": "{minute} {hour} * * *",
    "@weekly-random": "{minute} {hour} * * {weekday}",
    "@monthly-random": "{minute} {hour} {day} * *",
    "@yearly-random": "{minute} {hour} {day} {month} *",
    "@annually-random": "{minute} {hour} {day} {month} *",
}


class _Address(NamedTuple):
    """Where K8up's repository is, as a kind of storage, and the Secrets that open its server."""

    kind: str
    settings: dict[str, str | int]
    credentials: dict[str, Any]


class _Importer:
    """The plan of an import while its objects are read, one after the other."""

    def __init__(self, claims: Sequence[ClaimCoverage], own_namespace: str) -> None:
        self._claims = claims
        self._own_namespace = own_namespace
        self._storages: dict[tuple[str, str], BackupStorageCreate] = {}
        self._commands: list[str] = []
        self._policies: dict[tuple[str, str], ClaimPolicyManifest] = {}
        self._notes: list[str] = []
        self._left_out: set[tuple[str, str]] = set()
        self._retention_by_namespace: dict[str, dict[str, Any]] = {}

    def plan(self, objects: Iterable[dict[str, Any]]) -> ImportPlan:
        objects = list(objects)
        for each in objects:
            self._read_beside(each)
        for each in objects:
            if _kind_of(each) == "Schedule":
                self._read_schedule(each)
        return ImportPlan(
            storages=tuple(self._storages.values()),
            policies=tuple(self._policies.values()),
            commands=tuple(self._commands),
            notes=tuple(self._notes),
        )

    def _note(self, where: str, text: str) -> None:
        self._notes.append(clean(f"{where}: {text}.", 500))

    def _read_beside(self, each: dict[str, Any]) -> None:
        """Read what is no Schedule: claims that K8up leaves out, Prunes, and objects that run once."""
        namespace, name = _names_of(each)
        kind = _kind_of(each)
        annotations = _mapping(_mapping(each.get("metadata")).get("annotations"))
        if kind == "PersistentVolumeClaim":
            if annotations.get("k8up.io/backup") == "false":
                self._left_out.add((namespace, name))
            return
        where = f"{kind} {namespace}/{name}"
        spec = _mapping(each.get("spec"))
        if kind == "Prune" and spec.get("retention"):
            self._retention_by_namespace[namespace] = _mapping(spec["retention"])
        elif kind == "Check":
            self._note(where, _ADVICE["check"])
        elif kind in ("Backup", "Restore", "Archive"):
            self._note(where, "it runs once and is not taken over: kronkeep backup, restore or copy")
        elif kind != "Schedule" and str(each.get("apiVersion", "")).startswith(GROUP):
            self._note(where, "it has no counterpart (dumps are `include.database` of a policy)")

    def _read_schedule(self, each: dict[str, Any]) -> None:
        namespace, name = _names_of(each)
        where = f"Schedule {namespace}/{name}"
        spec = _mapping(each.get("spec"))
        self._note_fields(where, spec)
        backup = _mapping(spec.get("backup"))
        if not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
            self._note(where, "its names are none of Kubernetes, so it is left out")
            return
        if not backup:
            self._note(where, "it has no section backup, so nothing would be backed up")
            return
        schedule = self._schedule_of(where, str(backup.get("schedule") or ""), f"{namespace}/{name}")
        storage = self._storage_of(where, namespace, name, backup.get("backend") or spec.get("backend"))
        if schedule is not None and storage is not None:
            retention = self._retention_of(where, namespace, _mapping(spec.get("prune")))
            policy = BackupPolicySpec(storage_id=storage, schedule=schedule, retention=retention)
            self._add_policies(where, namespace, policy)

    def _note_fields(self, where: str, spec: Mapping[str, Any]) -> None:
        for field, value in spec.items():
            if field not in ("backup", "prune", "backend"):
                self._note(f"{where} spec.{field}", _ADVICE.get(field, "it has no counterpart"))
            elif field != "backend":
                for inner in _mapping(value):
                    if inner not in ("schedule", "backend", "retention"):
                        advice = _SECTION_ADVICE.get(inner, _ADVICE.get(inner, "it has no counterpart"))
                        self._note(f"{where} spec.{field}.{inner}", advice)
        if _mapping(spec.get("prune")).get("schedule"):
            self._note(
                f"{where} spec.prune.schedule",
                "snapshots are removed after each backup, space is freed at archive.prune_schedule",
            )

    def _schedule_of(self, where: str, text: str, seed: str) -> str | None:
        """Return the schedule as a cron line; a random one gets a time that stays the same."""
        template = _RANDOM.get(text)
        if template is not None:
            number = int(hashlib.sha256(seed.encode()).hexdigest(), 16)
            text = template.format(
                minute=number % 60,
                hour=number // 60 % 24,
                weekday=number // 1440 % 7,
                day=1 + number // 10080 % 28,
                month=1 + number // 282240 % 12,
            )
        try:
            schedule = Schedule.parse(text, None)
        except KronkeepError as fault:
            self._note(f"{where} spec.backup.schedule", f"{clean(str(fault), 200)} It is left out")
            return None
        if schedule.every is not None:
            self._note(f"{where} spec.backup.schedule", "@every has no slots of its own: write a cron line")
            return None
        return text

    def _retention_of(self, where: str, namespace: str, prune: Mapping[str, Any]) -> Retention:
        rules = _mapping(prune.get("retention")) or self._retention_by_namespace.get(namespace, {})
        for field in rules:
            if field not in _KEEPS:
                advice = _SECTION_ADVICE.get(field, "it has no counterpart")
                self._note(f"{where} spec.prune.retention.{field}", advice)
        counts = [rules.get(keep) for keep in _KEEPS]
        last, hourly, daily, weekly, monthly, yearly = (
            count if isinstance(count, int) and 0 < count <= 100_000 else 0 for count in counts
        )
        if not any((last, hourly, daily, weekly, monthly, yearly)):
            self._note(f"{where} spec.prune.retention", "it keeps nothing by number, so 30 days are kept")
            return Retention(days=30)
        return Retention(
            keep_last=last,
            keep_hourly=hourly,
            keep_daily=daily,
            keep_weekly=weekly,
            keep_monthly=monthly,
            keep_yearly=yearly,
        )

    def _storage_of(self, where: str, namespace: str, name: str, backend: Any) -> str | None:
        """Return the id of the storage of a backend, which several Schedules may share; None without one."""
        address = _address_of(_mapping(backend))
        if address is None:
            self._note(
                f"{where} spec.backend",
                "it is missing, or of a kind that has no counterpart (local, swift): "
                "create a storage by hand (kronkeep storage kinds)",
            )
            return None
        key = (address.kind, msgspec.json.encode(address.settings, order="sorted").decode())
        known = self._storages.get(key)
        if known is not None:
            namespaces = tuple(dict.fromkeys((*known.namespaces, namespace)))
            self._storages[key] = msgspec.structs.replace(known, namespaces=namespaces)
            return known.id
        storage_id = f"k8up-{namespace}-{name}".replace(".", "-")[:50].rstrip("-")
        password = f"{storage_id}-password"
        repository = {"password": _mapping(backend).get("repoPasswordSecretRef")}
        self._copy_secret(where, namespace, password, repository)
        self._copy_secret(where, namespace, storage_id, address.credentials)
        self._storages[key] = BackupStorageCreate(
            id=storage_id,
            kind=address.kind,
            settings=address.settings,
            password=SecretKeyRef(secret=password),
            credentials=storage_id if address.credentials else None,
            namespaces=(namespace,),
            layout="shared",
        )
        return storage_id

    def _copy_secret(self, where: str, namespace: str, name: str, refs: Mapping[str, Any]) -> None:
        copies = []
        for key, ref in refs.items():
            secret = str(_mapping(ref).get("name") or "")
            secret_key = str(_mapping(ref).get("key") or "")
            if _NAME.fullmatch(secret) and _KEY.fullmatch(secret_key):
                copies.append(SecretCopy(key=key, namespace=namespace, secret=secret, secret_key=secret_key))
            else:
                self._note(
                    f"{where} spec.backend",
                    f"it names no Secret for {key} (K8up's global setting?): put it into {name} by hand",
                )
        if copies:
            self._commands.append(copy_command(name, copies, self._own_namespace))

    def _add_policies(self, where: str, namespace: str, policy: BackupPolicySpec) -> None:
        count = 0
        for claim in self._claims:
            if claim.namespace != namespace or claim.status in ("storage", "exempt"):
                continue
            key = (namespace, claim.name)
            own = subject_names.name_of_claim(claim.name)
            if key in self._left_out:
                self._note(f"claim {namespace}/{claim.name}", "K8up leaves it out, and so does this")
            elif any(each.cronjob == own for each in claim.policies):
                self._note(
                    f"claim {namespace}/{claim.name}", "it has a policy of its own already, which stays"
                )
            elif key in self._policies:
                self._note(
                    f"claim {namespace}/{claim.name}", f"it has a policy already; {where} gives no second"
                )
            else:
                count += 1
                self._policies[key] = ClaimPolicyManifest(
                    namespace=namespace, claim=claim.name, policy=policy
                )
        if not count:
            self._note(where, f"no claim of {namespace} gets a policy by it")


def plan_import(objects: Iterable[Any], claims: Sequence[ClaimCoverage], own_namespace: str) -> ImportPlan:
    """Return the plan of an import.

    objects: those of K8up, and claims whose annotations count, as Kubernetes shows them.
    claims: those that kronkeep knows.
    own_namespace: kronkeep's, where the Secrets of storages are.
    """
    return _Importer(claims, own_namespace).plan(each for each in objects if isinstance(each, dict))


def _address_of(backend: Mapping[str, Any]) -> _Address | None:
    if s3 := _mapping(backend.get("s3")):
        endpoint = str(s3.get("endpoint") or "https://s3.amazonaws.com")
        endpoint = endpoint if "://" in endpoint else f"https://{endpoint}"
        return _Address(
            "s3",
            {"endpoint": endpoint, "bucket": str(s3.get("bucket") or "")},
            {
                "AWS_ACCESS_KEY_ID": s3.get("accessKeyIDSecretRef"),
                "AWS_SECRET_ACCESS_KEY": s3.get("secretAccessKeySecretRef"),
            },
        )
    if rest := _mapping(backend.get("rest")):
        refs = {
            "RESTIC_REST_USERNAME": rest.get("userSecretRef"),
            "RESTIC_REST_PASSWORD": rest.get("passwordSecretReg"),
        }
        return _Address("rest", {"url": str(rest.get("url") or "")}, {k: r for k, r in refs.items() if r})
    if azure := _mapping(backend.get("azure")):
        return _Address(
            "azure",
            {
                "container": str(azure.get("container") or ""),
                "prefix": str(azure.get("path") or "").strip("/"),
            },
            {
                "AZURE_ACCOUNT_NAME": azure.get("accountNameSecretRef"),
                "AZURE_ACCOUNT_KEY": azure.get("accountKeySecretRef"),
            },
        )
    if b2 := _mapping(backend.get("b2")):
        return _Address(
            "b2",
            {"bucket": str(b2.get("bucket") or ""), "prefix": str(b2.get("path") or "").strip("/")},
            {"B2_ACCOUNT_ID": b2.get("accountIDSecretRef"), "B2_ACCOUNT_KEY": b2.get("accountKeySecretRef")},
        )
    if gcs := _mapping(backend.get("gcs")):
        return _Address("gs", {"bucket": str(gcs.get("bucket") or "")}, {"credentials.json": None})
    return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _kind_of(each: dict[str, Any]) -> str:
    return clean(str(each.get("kind") or "object"), 63)


def _names_of(each: dict[str, Any]) -> tuple[str, str]:
    meta = _mapping(each.get("metadata"))
    return clean(str(meta.get("namespace") or "default"), 63), clean(str(meta.get("name") or ""), 253)
