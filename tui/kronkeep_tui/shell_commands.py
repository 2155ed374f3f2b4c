"""A screen or a change as lines for a shell: kronkeep, curl and kubectl; pure.

curl uses $KRONKEEP_SOCKET, which the line of exports sets.
"""

import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

CURL = 'curl -sS --unix-socket "$KRONKEEP_SOCKET"'
_KINDS = {
    "overview": "alerts",
    "jobs": "cronjobs",
    "runs": "executions",
    "policies": "policies",
    "restore": "backups",
    "restores": "restores",
    "storages": "storages",
    "alerts": "alerts",
}
_OBJECTS = {"jobs": "cronjobs", "policies": "cronjobs", "runs": "jobs"}  # what kubectl calls them


class ShellCommand(NamedTuple):
    """A line for a shell: what it is about, by which program, and the line."""

    about: str
    program: str
    line: str


class ScreenFacts(NamedTuple):
    """What a screen shows: its kind and argument, the namespace and filter, the record under the cursor."""

    kind: str
    argument: str = ""
    namespace: str = ""
    filter_text: str = ""
    subject: Any = None


def lines_of_screen(screen: ScreenFacts) -> list[ShellCommand]:
    """Return the lines that show what the screen shows; none for a screen that has no such line."""
    if screen.kind in _KINDS:
        return _lines_of_list(screen)
    if screen.kind == "run":
        return _lines_of_run(screen)
    if screen.kind in ("files", "preview"):
        backup_id, _, path = screen.argument.partition(" ")
        return [
            _command("this screen", ("files", backup_id, path)),
            _curl("this screen", "GET", f"/v1/backups/{backup_id}/files", path=path),
        ]
    return []


def _lines_of_list(screen: ScreenFacts) -> list[ShellCommand]:
    kind = _KINDS[screen.kind]
    is_namespaced = bool(screen.namespace) and kind != "storages"
    term = f"ns:{screen.namespace}" if is_namespaced and kind != "alerts" else ""
    selected = " ".join(part for part in (screen.filter_text, term) if part)
    words = ["get", kind, *(("--filter", selected) if selected else ())]
    lines = [
        _command("this screen", words),
        _curl("this screen", "GET", f"/v1/{kind}", **({"filter": selected} if selected else {})),
    ]
    if screen.kind in _OBJECTS:
        place = ["-n", screen.namespace] if screen.namespace else ["-A"]
        lines.append(_kubectl("this screen", ["get", _OBJECTS[screen.kind], *place]))
    return lines


def _lines_of_run(screen: ScreenFacts) -> list[ShellCommand]:
    lines = [
        _command("this screen", ("describe", "execution", screen.argument)),
        _command("its log", ("logs", screen.argument)),
        _curl("this screen", "GET", f"/v1/executions/{screen.argument}"),
    ]
    job = getattr(screen.subject, "job", None)
    if job:
        lines.append(_kubectl("this screen", ["-n", screen.subject.namespace, "describe", "job", job]))
    return lines


def lines_of_change(
    words: Sequence[str], path: str, kubectl: Sequence[str] = (), *, method: str = "POST"
) -> tuple[ShellCommand, ...]:
    """Return a change as lines: the words after `kronkeep`, its route, and the words after `kubectl`."""
    lines = [_command("the last change", words), _curl("the last change", method, path)]
    if kubectl:
        lines.append(_kubectl("the last change", kubectl))
    return tuple(lines)


def _command(about: str, words: Sequence[str]) -> ShellCommand:
    return ShellCommand(about, "kronkeep", shlex.join(["kronkeep", *words]))


def _kubectl(about: str, words: Sequence[str]) -> ShellCommand:
    return ShellCommand(about, "kubectl", shlex.join(["kubectl", *words]))


def _curl(about: str, method: str, route: str, **query: str) -> ShellCommand:
    parts = [f"-X {method}"] if method != "GET" else ["-G"] if query else []
    parts.append(shlex.quote(f"http://localhost{route}"))
    parts += [f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in query.items()]
    if method != "GET":
        parts.append("-H 'Content-Type: application/json' -d '{}'")
    return ShellCommand(about, "curl", " ".join([CURL, *parts]))


def encode(lines: Sequence[ShellCommand]) -> str:
    """Return lines as the argument of their view."""
    return msgspec.json.encode(list(lines)).decode()


def decode(text: str) -> list[ShellCommand]:
    """Return the lines of a view's argument."""
    return msgspec.json.decode(text or "[]", type=list[ShellCommand])
