"""What breaks callers between two versions of the API's OpenAPI document.

python -m release.api_changes write VERSION keeps today's document as that of a release, in release/openapi.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from kronkeep_daemon.http.openapi import document
from kronkeep_daemon.http.routes import ROUTES
from release.dependencies import ROOT

Schema = dict[str, Any]
FOLDER = ROOT / "release/openapi"
METHODS = ("get", "post", "put", "patch", "delete")


def current() -> Schema:
    """Return today's document as a reader of its JSON sees it."""
    decoded: Schema = json.loads(json.dumps(document(ROUTES)))
    return decoded


def last_release() -> tuple[str, Schema] | None:
    """Return the version and the document of the newest release; None before the first."""
    files = {tuple(map(int, path.stem.split("."))): path for path in FOLDER.glob("*.json")}
    if not files:
        return None
    path = files[max(files)]
    return path.stem, json.loads(path.read_text())


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """Return a sentence for each change after which a caller of the old API may fail.

    What a caller sends may gain fields and values, and must lose none; what it gets may gain fields, and must
    lose none.
    """
    return [*_path_changes(old, new), *_schema_changes(old, new)]


def _path_changes(old: Schema, new: Schema) -> Iterator[str]:
    for path, item in old["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            later = new["paths"].get(path, {}).get(method)
            if later is None:
                yield f"{method.upper()} {path} is gone"
            else:
                yield from _parameter_changes(f"{method.upper()} {path}", item[method], later)


def _parameter_changes(name: str, old: Schema, new: Schema) -> Iterator[str]:
    before = {(row["in"], row["name"]) for row in old.get("parameters", ()) if "name" in row}
    after = {(row["in"], row["name"]): row for row in new.get("parameters", ()) if "name" in row}
    for place, parameter in sorted(before - set(after)):
        yield f"{name} takes no {parameter} in its {place} any more"
    for (place, parameter), row in after.items():
        if row.get("required") and (place, parameter) not in before:
            yield f"{name} requires {parameter} in its {place}"
    for status in set(old["responses"]) - set(new["responses"]):
        yield f"{name} does not answer {status} any more"
    if "requestBody" in new and new["requestBody"].get("required") and "requestBody" not in old:
        yield f"{name} requires a body"


def _schema_changes(old: Schema, new: Schema) -> Iterator[str]:
    after = new["components"]["schemas"]
    for name, schema in old["components"]["schemas"].items():
        if name not in after:
            yield f"the schema {name} is gone"
            continue
        yield from _field_changes(name, schema, after[name])


def _field_changes(name: str, old: Schema, new: Schema) -> Iterator[str]:
    later = new.get("properties", {})
    for field, schema in old.get("properties", {}).items():
        if field not in later:
            yield f"{name} has no field {field} any more"
            continue
        if _types(schema) - _types(later[field]):
            yield f"{name}.{field} is not {', '.join(sorted(_types(schema) - _types(later[field])))} any more"
        lost = {json.dumps(value) for value in _values(schema)} - {
            json.dumps(value) for value in _values(later[field])
        }
        if lost and _values(later[field]):
            yield f"{name}.{field} has no {', '.join(sorted(lost))} any more"
    for field in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        if field not in old.get("properties", {}) or new.get("additionalProperties") is False:
            yield f"{name} requires {field}"


def _types(schema: Schema) -> set[str]:
    """Return what a field may be: JSON's types, and names of schemas."""
    parts = schema.get("anyOf") or schema.get("oneOf") or [schema]
    types: set[str] = set()
    for part in parts:
        kind = part.get("$ref", part.get("type"))
        types |= {str(one) for one in (kind if isinstance(kind, list) else [kind]) if one}
    return types


def _values(schema: Schema) -> list[Any]:
    """Return the values that a field may have where they are listed."""
    parts = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return [value for part in parts for value in part.get("enum", ())]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{sys.argv[2]}.json").write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n")
