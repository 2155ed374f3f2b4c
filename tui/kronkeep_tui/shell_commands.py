"""A screen or a change as lines for a shell: kronkeep, curl and kubectl; pure.

curl uses $KRONKEEP_SOCKET, which the line of exports sets. Forms, where each key is a text, have no lines;
what they have sent is the last change.
"""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from kronkeep_common.models import CronJobExecution, RestoreRequest

CURL = 'curl -sS --unix-socket "$KRONKEEP_SOCKET"'
_LISTS = {
    "overview": "alerts",
    "jobs": "cronjobs",
    "policies": "policies",
    "restore": "backups",
    "restores": "restores",
    "storages": "storages",
    "alerts": "alerts",
    "queue": "queue",
}
_OBJECTS = {"jobs": "cronjobs", "policies": "cronjobs"}  # what kubectl calls them
_FAULTY_BACKUPS = " ".join(
    f"!status:{status}" for status in ("succeeded", "cancelled", "running", "queued", "waiting")
)
_FAULT_TERMS = {  # what `z` leaves of a list, where a filter can say it
    "runs": "!status:succeeded !status:cancelled !status:running !status:pending",
    "restores": "status:failed",
    "alerts": "status:open",
    "overview": "status:open",
}
_OPEN = "!status:resolved"  # what Overview and Alerts show
_PLURALS = {"execution": "executions", "backup": "backups", "storage": "storages"}
NOT_ALL = ("storages", "alerts", "queue")  # have records without a namespace, which a namespace leaves


class ShellCommand(NamedTuple):
    """A line for a shell: what it is about, by which program, and the line."""

    about: str
    program: str
    line: str


class ScreenFacts(NamedTuple):
    """What a screen shows: its kind and argument, the namespace and filter, the record that it is about.

    sort_by: the order of its rows as `--sort-by` takes it.
    clusters: the names of all clusters by id.
    """

    kind: str
    argument: str = ""
    namespace: str = ""
    filter_text: str = ""
    subject: Any = None
    faults_only: bool = False
    sort_by: str = ""
    clusters: Mapping[str, str] = MappingProxyType({})


def lines_of_screen(screen: ScreenFacts) -> list[ShellCommand]:
    """Return the lines that show what the screen shows; none for a screen that has no such line."""
    make = _lines_of_list if screen.kind in _LISTS else _PAGES.get(screen.kind)
    lines = make(screen) if make is not None else []
    return without_kubectl(lines) if len(screen.clusters) > 1 else lines


def without_kubectl(lines: Iterable[ShellCommand]) -> list[ShellCommand]:
    """Return lines for where there are several clusters: nobody knows which one kubectl would act on."""
    return [line for line in lines if line.program != "kubectl"]


def _lines_of_list(screen: ScreenFacts) -> list[ShellCommand]:
    kind = _LISTS[screen.kind]
    first = _OPEN if kind == "alerts" else ""
    term = _FAULT_TERMS.get(screen.kind, first) if screen.faults_only else first
    selected = _filter_of(screen, term, has_namespace=kind not in NOT_ALL)
    words = (*_option("--filter", selected), *_option("--sort-by", screen.sort_by))
    lines = [_get(kind, *words), _read(f"/v1/{kind}", filter=selected)]
    if screen.kind in _OBJECTS:
        lines.append(_kubectl_get(_OBJECTS[screen.kind], screen.namespace))
    return lines


def _filter_of(screen: ScreenFacts, *terms: str, has_namespace: bool = True) -> str:
    term = f"ns:{screen.namespace}" if screen.namespace and has_namespace else ""
    return " ".join(part for part in (screen.filter_text, *terms, term) if part)


def _lines_of_runs(screen: ScreenFacts) -> list[ShellCommand]:
    """Return the lines of all runs, or of those of the CronJob that the screen is about."""
    term = _FAULT_TERMS["runs"] if screen.faults_only else ""
    order = _option("--sort-by", screen.sort_by)
    if not screen.argument:
        selected = _filter_of(screen, term)
        return [
            _get("executions", *_option("--filter", selected), *order),
            *_lines_of_faulty_backups(screen),
            _read("/v1/executions", filter=selected),
            _kubectl_get("jobs", screen.namespace),
        ]
    cronjob = screen.subject
    terms = " ".join(filter(None, (screen.filter_text, term)))
    by_id = _read("/v1/executions", cronjob_id=screen.argument, filter=terms)
    if cronjob is None:
        return [by_id]
    name = getattr(cronjob, "cronjob", None) or cronjob.name
    of_cronjob = screen._replace(namespace=cronjob.namespace)
    own = _filter_of(of_cronjob, term, f"name:{name}", _cluster_term(screen, cronjob))
    return [
        _get("executions", "--filter", own, *order),
        *_lines_of_faulty_backups(of_cronjob, f"name:{name}", _cluster_term(screen, cronjob)),
        by_id,
        _kubectl_get("jobs", cronjob.namespace),
    ]


def _lines_of_faulty_backups(screen: ScreenFacts, *terms: str) -> list[ShellCommand]:
    """Return the line of the backups that failed after good runs, which are shown with the failed runs."""
    if not screen.faults_only:
        return []
    plain = screen._replace(filter_text="")  # which is one of runs
    selected = _filter_of(plain, _FAULTY_BACKUPS, *terms)
    return [_command("their backups", ("get", "backups", "--filter", selected))]


def _cluster_term(screen: ScreenFacts, record: Any) -> str:
    name = _cluster_of(screen, record)
    return f"cluster:{name}" if name else ""


def _cluster_of(screen: ScreenFacts, record: Any) -> str:
    """Return the name of a record's cluster where there are several, else nothing."""
    cluster = getattr(record, "cluster", "")
    return screen.clusters.get(cluster, cluster) if len(screen.clusters) > 1 else ""


def _lines_of_run(screen: ScreenFacts) -> list[ShellCommand]:
    lines = [
        _command("this screen", ("describe", "execution", screen.argument)),
        _command("its log", ("logs", screen.argument)),
        _read(f"/v1/executions/{screen.argument}"),
    ]
    return [*lines, *_kubectl_of_run(screen.subject, "describe", "job")]


def _kubectl_of_run(run: object, *words: str) -> list[ShellCommand]:
    """Return what kubectl says of a run's Job, which Kubernetes deletes after some more runs."""
    if not isinstance(run, CronJobExecution) or not run.job:
        return []
    return [_kubectl("its Job, if kept", ("-n", run.namespace, *words, run.job))]


def _lines_of_events(screen: ScreenFacts) -> list[ShellCommand]:
    lines = [
        _command("this screen", ("describe", "execution", screen.argument)),
        _read(f"/v1/executions/{screen.argument}/events"),
    ]
    run = screen.subject
    if isinstance(run, CronJobExecution) and run.job:
        selector = f"involvedObject.name={run.job}"
        lines.append(
            _kubectl("this screen", ("-n", run.namespace, "get", "events", "--field-selector", selector))
        )
    return lines


def _lines_of_files(screen: ScreenFacts) -> list[ShellCommand]:
    backup_id, _, path = screen.argument.partition(" ")
    return [
        _command("this screen", ("files", backup_id, path)),
        _read(f"/v1/backups/{backup_id}/files", path=path),
    ]


def _lines_of_file(screen: ScreenFacts) -> list[ShellCommand]:
    backup_id, _, path = screen.argument.partition(" ")
    return [
        _command("this screen", ("download", backup_id, path, "-o", "-")),
        _read(f"/v1/backups/{backup_id}/download", path=path),
    ]


def _lines_of_diff(screen: ScreenFacts) -> list[ShellCommand]:
    older, _, newer = screen.argument.partition(" ")
    return [
        _command("this screen", ("diff", older, newer)),
        _read(f"/v1/backups/{older}/diff", other=newer),
    ]


def _lines_of_comparison(screen: ScreenFacts) -> list[ShellCommand]:
    runs = screen.argument.split(" ")
    lines = [_command("this screen", ("describe", "execution", run_id)) for run_id in runs]
    return [*lines, *(_read(f"/v1/executions/{run_id}") for run_id in runs)]


def _lines_of_night(screen: ScreenFacts) -> list[ShellCommand]:
    begin, _, end = screen.argument.partition(" ")
    selected = _filter_of(screen, has_namespace=False)
    words = ["timeline", *_option("--from", begin), *_option("--to", end)]
    words += [*_option("-n", screen.namespace), *_option("--filter", selected)]
    query = {"from": begin, "to": end, "namespace": screen.namespace, "filter": selected}
    return [_command("this screen", words), _read("/v1/timeline", **query)]


def _lines_of_history(screen: ScreenFacts) -> list[ShellCommand]:
    figures = _read("/v1/figures", by="cronjob", period="day", cronjob_id=screen.argument)
    if screen.subject is None:
        return [figures]
    words = ["stats", "--by", "cronjob", "--period", "day", "-n", screen.subject.namespace]
    return [_command("this screen", words), figures, *_lines_of_runs(screen)]


def _lines_of_retention(screen: ScreenFacts) -> list[ShellCommand]:
    """Return the lines of a plan; the argument is its CronJob, the policy's id, and `orphan` without one."""
    name, _, rest = screen.argument.partition(" ")
    policy_id, _, orphan = rest.partition(" ")
    words = ["retention", name, *_option("--policy", policy_id if orphan else "")]
    cluster = _cluster_of(screen, screen.subject)
    return [
        _command("this screen", [*words, *_option("--cluster", cluster)]),
        _read(f"/v1/policies/{policy_id}/retention", namespace=name.partition("/")[0], cluster=cluster),
    ]


def _lines_of_removals(screen: ScreenFacts) -> list[ShellCommand]:
    selected = f"storage:{screen.argument}"
    return [_get("policies", "--filter", selected), _read("/v1/policies", filter=selected)]


def _lines_of_orphans(screen: ScreenFacts) -> list[ShellCommand]:
    return [
        _command("this screen", ("storage", "orphans", screen.argument)),
        _read("/v1/orphans", storage_id=screen.argument),
    ]


def _lines_of_coverage(screen: ScreenFacts) -> list[ShellCommand]:
    words = ["coverage", *_option("-n", screen.namespace), *_option("--filter", screen.filter_text)]
    return [
        _command("this screen", words),
        _read("/v1/coverage", namespace=screen.namespace, filter=screen.filter_text),
        _kubectl_get("persistentvolumeclaims", screen.namespace),
    ]


def _lines_of_holds(_: ScreenFacts) -> list[ShellCommand]:
    kinds = ("silences", "maintenance")
    return [*(_get(kind) for kind in kinds), *(_read(f"/v1/{kind}") for kind in kinds)]


def _lines_of_search(screen: ScreenFacts) -> list[ShellCommand]:
    selected = _filter_of(screen)
    return [
        _command("this screen", ("grep", screen.argument, *_option("--filter", selected))),
        _read("/v1/grep", text=screen.argument, filter=selected),
    ]


def _lines_of_restore(screen: ScreenFacts) -> list[ShellCommand]:
    return [
        _get("restores", screen.argument, "-o", "yaml"),
        _command("its log", ("logs", "--restore", screen.argument)),
        _read(f"/v1/restores/{screen.argument}"),
    ]


def _lines_of_restore_log(screen: ScreenFacts) -> list[ShellCommand]:
    return [
        _command("this screen", ("logs", "--restore", screen.argument)),
        _read(f"/v1/restores/{screen.argument}/logs"),
    ]


def _lines_of_yaml(screen: ScreenFacts) -> list[ShellCommand]:
    kind, _, name = screen.argument.partition(" ")
    if kind == "cronjob":
        return _lines_of_cronjob_yaml(screen, name)
    if kind == "manifest":
        return [
            _read(f"/v1/executions/{name}/manifest"),
            *_kubectl_of_run(screen.subject, "get", "-o", "yaml", "job"),
        ]
    plural = _PLURALS[kind]
    return [_get(plural, name, "-o", "yaml"), _read(f"/v1/{plural}/{name}")]


def _lines_of_cronjob_yaml(screen: ScreenFacts, argument: str) -> list[ShellCommand]:
    full_name, _, cluster_id = argument.partition("@")
    cluster = screen.clusters.get(cluster_id, cluster_id) if len(screen.clusters) > 1 else ""
    namespace, _, name = full_name.partition("/")
    kind, _, claim = name.rpartition("/")
    words = ("-n", namespace, "get", "pvc" if kind else "cronjob", claim, "-o", "yaml")
    return [
        _get("cronjobs", full_name, "-o", "yaml", *_option("--cluster", cluster)),
        _read(cronjob_route(namespace, name), cluster=cluster),
        _kubectl("this screen", words),
    ]


_PAGES: Mapping[str, Callable[[ScreenFacts], list[ShellCommand]]] = {
    "runs": _lines_of_runs,
    "run": _lines_of_run,
    "events": _lines_of_events,
    "compare": _lines_of_comparison,
    "history": _lines_of_history,
    "yaml": _lines_of_yaml,
    "night": _lines_of_night,
    "files": _lines_of_files,
    "preview": _lines_of_file,
    "diff": _lines_of_diff,
    "restore_page": _lines_of_restore,
    "restore_log": _lines_of_restore_log,
    "retention": _lines_of_retention,
    "removals": _lines_of_removals,
    "orphans": _lines_of_orphans,
    "coverage": _lines_of_coverage,
    "holds": _lines_of_holds,
    "log_search": _lines_of_search,
}


def cronjob_route(namespace: str, name: str) -> str:
    """Return the route of a CronJob, or of a claim as `pvc/NAME`."""
    return f"/v1/cronjobs/{namespace}/{quote(name, safe='')}"


def lines_of_change(
    words: Sequence[str],
    path: str,
    kubectl: Sequence[str] = (),
    *,
    method: str = "POST",
    body: object = None,
    cluster: str = "",
) -> tuple[ShellCommand, ...]:
    """Return a change as lines: the words after `kronkeep`, its route, and the words after `kubectl`.

    words: none where no verb has all that is changed.
    body: what is sent, as a struct or a dict.
    cluster: the name of what is changed where there are several; nobody knows which one kubectl would act on.
    """
    if cluster:
        words = [*words, "--cluster", cluster] if words else ()
        path = f"{path}{'&' if '?' in path else '?'}cluster={quote(cluster, safe='')}"
        kubectl = ()
    sent = shlex.quote(msgspec.json.encode({} if body is None else body).decode())
    parts = [CURL, f"-X {method}", shlex.quote(f"http://localhost{path}")]
    parts.append(f"-H 'Content-Type: application/json' -d {sent}")
    about = "the last change"
    lines = [_command(about, words)] if words else []
    lines.append(ShellCommand(about, "curl", " ".join(parts)))
    return (*lines, *([_kubectl(about, kubectl)] if kubectl else []))


def lines_of_manifest(
    kind: str, spec: msgspec.Struct, path: str, *, method: str = "POST", cluster: str = ""
) -> tuple[ShellCommand, ...]:
    """Return what a form or an editor has sent as lines: a manifest of a kind, and its route."""
    body = msgspec.to_builtins(spec)
    if "kind" in body:
        body["kind_of_storage"] = body["kind"]
    manifest = msgspec.json.encode({**body, "kind": kind}).decode()
    words = ["kronkeep", "apply", *_option("--cluster", cluster), "-f", "-"]
    apply = f"printf %s {shlex.quote(manifest)} | {shlex.join(words)}"
    return (
        ShellCommand("the last change", "kronkeep", apply),
        *lines_of_change((), path, method=method, body=spec, cluster=cluster),
    )


def line_of_edit(name: str, cluster: str) -> ShellCommand:
    """Return the line that opens a CronJob, of a cluster where there are several, in the user's editor."""
    return _command("the last change", ("edit", name, *_option("--cluster", cluster)))


def words_of_restore(backup_id: str, request: RestoreRequest) -> list[str]:
    """Return the words after `kronkeep` that make a restore."""
    target = request.target
    words = ["restore", backup_id]
    words += {
        "new-claim": ["--new-claim", target.claim or ""],
        "claim": ["--claim", target.claim or ""],
    }.get(target.kind, ["--in-place"])
    words += [word for path in request.include for word in ("--path", path)]
    words += [*_option("--cluster", target.cluster), *_option("-n", target.namespace)]
    words += [*_option("--folder", target.path), *_option("--size", str(target.size_bytes or ""))]
    words += _option("--storage-class", target.storage_class)
    words += ["--overwrite"] if request.overwrite else []
    words += ["--suspend"] if request.suspend else []
    return [*words, *_option("--yes", request.confirm), *_option("--from-copy", request.from_copy)]


def _option(flag: str, text: str | None) -> tuple[str, ...]:
    return (flag, text) if text else ()


def _get(kind: str, *words: str) -> ShellCommand:
    return _command("this screen", ("get", kind, *words))


def _command(about: str, words: Sequence[str]) -> ShellCommand:
    return ShellCommand(about, "kronkeep", shlex.join(["kronkeep", *words]))


def _kubectl(about: str, words: Sequence[str]) -> ShellCommand:
    return ShellCommand(about, "kubectl", shlex.join(["kubectl", *words]))


def _kubectl_get(objects: str, namespace: str) -> ShellCommand:
    return _kubectl("this screen", ("get", objects, *(("-n", namespace) if namespace else ("-A",))))


def _read(route: str, **query: str) -> ShellCommand:
    """Return the line of curl that reads a route, with those parameters that are not empty."""
    given = {name: value for name, value in query.items() if value}
    parts = [CURL, *(["-G"] if given else []), shlex.quote(f"http://localhost{route}")]
    parts += [f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in given.items()]
    return ShellCommand("this screen", "curl", " ".join(parts))


def encode(lines: Sequence[ShellCommand]) -> str:
    """Return lines as the argument of their view."""
    return msgspec.json.encode(list(lines)).decode()


def decode(text: str) -> list[ShellCommand]:
    """Return the lines of a view's argument."""
    return msgspec.json.decode(text or "[]", type=list[ShellCommand])
