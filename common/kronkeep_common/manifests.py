"""Manifests in YAML or JSON, several in a file, for `kronkeep apply` and the daemon's manifest folder.

    kind: CronJob               kind: BackupStorage              apiVersion: batch/v1
    namespace: default          id: vault                        kind: CronJob
    name: shop-db               kind_of_storage: local           metadata: {name: shop-db, annotations: {...}}
    image: postgres:17          settings: {path: /backups}       spec: {...}
    schedule: 0 2 * * *
    policy: {storage_id: vault}

The first two are the bodies of POST /v1/cronjobs and POST /v1/storages (`kind_of_storage` is a storage's
`kind`). A manifest with an `apiVersion` is Kubernetes' own, with its policy in annotations.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorageCreate, CronJobCreate, CronJobManifest
from kronkeep_common.text import clean

LARGEST = 1024 * 1024  # characters
DEEPEST = 32  # levels; libyaml's composer calls itself for each, and too many end the process
SUFFIXES = (".yaml", ".yml", ".json")
ManifestBody = CronJobCreate | BackupStorageCreate | CronJobManifest


class ManifestDocument(NamedTuple):
    """A manifest, and the file and line where it begins."""

    where: str
    body: ManifestBody


def describe(body: ManifestBody) -> str:
    """Return `storage ID`, or `cronjob NAMESPACE/NAME`."""
    if isinstance(body, BackupStorageCreate):
        return f"storage {body.id}"
    return f"cronjob {body.namespace}/{body.name}"


def read_file(path: Path) -> list[ManifestDocument]:
    """Read every document of a file; raise InvalidRequest, which names file and line."""
    try:
        with path.open(encoding="utf-8") as opened:
            text = opened.read(LARGEST + 1)
    except (OSError, UnicodeDecodeError) as fault:
        raise InvalidRequest(f"{clean(str(path))} cannot be read: {clean(str(fault), 200)}") from fault
    return parse_documents(text, str(path))


def parse_documents(text: str, where: str) -> list[ManifestDocument]:
    """Parse the documents of a text; raise InvalidRequest, which names the line of the faulty document."""
    import yaml

    if len(text) > LARGEST:
        raise InvalidRequest(f"{clean(where)} is larger than {LARGEST} characters.")
    documents: list[ManifestDocument] = []
    try:
        _check_tokens(yaml.scan(text, Loader=yaml.CSafeLoader), where)
        loader = yaml.CSafeLoader(text)
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            place = f"{clean(where)}:{node.start_mark.line + 1}"
            value = loader.construct_document(node)
            if value is not None:
                documents.append(ManifestDocument(place, _convert_body(value, place)))
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise InvalidRequest(f"{clean(where)}:{line}: {clean(str(fault.problem), 200)}.") from fault
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        raise InvalidRequest(f"{clean(where)}: {clean(str(fault), 200)}") from fault
    return documents


def _check_tokens(tokens: Iterable[Any], where: str) -> None:
    """Raise InvalidRequest for aliases, whose expansion has no bound, and for too many levels."""
    depth = 0
    for token in tokens:
        kind = type(token).__name__
        depth += kind.endswith(("MappingStartToken", "SequenceStartToken"))
        depth -= kind in ("BlockEndToken", "FlowMappingEndToken", "FlowSequenceEndToken")
        if kind == "AliasToken" or depth > DEEPEST:
            fault = "aliases are refused" if kind == "AliasToken" else f"nested deeper than {DEEPEST}"
            raise InvalidRequest(f"{clean(where)}:{token.start_mark.line + 1}: {fault}.")


def _convert_body(value: Any, where: str) -> ManifestBody:
    if not isinstance(value, dict) or value.get("kind") not in ("CronJob", "BackupStorage"):
        raise InvalidRequest(f"{where}: kind must be CronJob or BackupStorage.")
    try:
        if "apiVersion" in value:
            return msgspec.convert({k: v for k, v in value.items() if k != "status"}, CronJobManifest)
        fields = {key: entry for key, entry in value.items() if key != "kind"}
        if value["kind"] == "CronJob":
            return msgspec.convert(fields, CronJobCreate)
        fields["kind"] = fields.pop("kind_of_storage", "local")
        return msgspec.convert(fields, BackupStorageCreate)
    except msgspec.ValidationError as fault:
        raise InvalidRequest(f"{where}: {clean(str(fault), 300)}.") from fault
