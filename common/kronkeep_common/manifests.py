"""Manifests in YAML or JSON, several in a file, for `kronkeep apply` and the daemon's manifest folder.

    kind: CronJob               kind: BackupStorage
    namespace: default          id: vault
    name: shop-db               kind_of_storage: local
    image: postgres:17          settings: {path: /backups}
    schedule: 0 2 * * *
    policy: {storage_id: vault}

    kind: ClaimPolicy
    namespace: shop
    claim: data-db-0
    policy: {storage_id: vault, schedule: 0 3 * * *}

    apiVersion: batch/v1
    kind: CronJob
    metadata: {name: shop-db, annotations: {...}}
    spec: {...}

The first two are the bodies of POST /v1/cronjobs and POST /v1/storages (`kind_of_storage` is a storage's
`kind`). A manifest with an `apiVersion` is Kubernetes' own, with its policy in annotations. ClaimPolicy gives
a PersistentVolumeClaim that exists a policy of its own, for data that no CronJob writes.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kronkeep_common import subject_names
from kronkeep_common.cronjob_fields import split_path
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.model_faults import separate_faults
from kronkeep_common.models import BackupStorageCreate, ClaimPolicyManifest, CronJobCreate, CronJobManifest
from kronkeep_common.name_suggestions import suggest_name
from kronkeep_common.text import clean

LARGEST = 1024 * 1024  # characters
DEEPEST = 32  # levels; libyaml's composer calls itself for each, and too many end the process
KINDS = ("CronJob", "BackupStorage", "ClaimPolicy")
SUFFIXES = (".yaml", ".yml", ".json")
ManifestBody = CronJobCreate | BackupStorageCreate | CronJobManifest | ClaimPolicyManifest


class SourceText(NamedTuple):
    """A manifest's file, and whether the manifest is JSON, whose lines may be long."""

    name: str
    is_json: bool = False

    def place(self, node: Any, steps: Sequence[str | int] = ()) -> str:
        """Return `FILE:LINE` of a field, with its column in JSON: of the deepest node on its path."""
        return self.place_of_mark(_find_mark(node, steps))

    def place_of_mark(self, mark: Any) -> str:
        """Return `FILE:LINE` of a mark, with its column in JSON."""
        column = f":{mark.column + 1}" if self.is_json else ""
        return f"{clean(self.name)}:{mark.line + 1}{column}"


class ManifestDocument(NamedTuple):
    """A manifest, and its node with the lines of its fields."""

    source: SourceText
    node: Any
    body: ManifestBody

    @property
    def where(self) -> str:
        """The file and line where it begins."""
        return self.source.place(self.node)

    def describe_fault(self, sentence: str, field: str = "") -> str:
        """Return a sentence with the manifest's name and the place of what it is about.

        That is the field whose path it begins with, a value that it quotes, or a field of that name.
        """
        start = self.node.start_mark
        mark = _find_mark(self.node, split_path(sentence.partition(": ")[0]))
        if mark is start:
            name = field.rpartition(".")[2]
            pairs = list(_walk_pairs(self.node))
            quoted = [key for key, value in pairs if value.id == "scalar" and f"'{value.value}'" in sentence]
            named = [key for key, _ in pairs if key.value == name]
            both = [key for key in quoted if key in named]
            mark = next((key.start_mark for key in (*both, *quoted, *named)), start)
        return f"{self.source.place_of_mark(mark)}: {describe(self.body)}: {sentence}"


class ParsedManifests(NamedTuple):
    """The documents of a text that could be converted, the faults of the others, and what is left of those.

    rests: documents without what is faulty, for a check of what else is wrong.
    """

    documents: list[ManifestDocument]
    faults: list[str]
    rests: list[ManifestDocument]


def describe(body: ManifestBody) -> str:
    """Return `storage ID`, `policy NAMESPACE/pvc/NAME` or `cronjob NAMESPACE/NAME`."""
    if isinstance(body, ClaimPolicyManifest):
        return f"policy {body.namespace}/{subject_names.name_of_claim(body.claim)}"
    if isinstance(body, BackupStorageCreate):
        return f"storage {body.id}"
    return f"cronjob {body.namespace}/{body.name}"


def read_file(path: Path) -> list[ManifestDocument]:
    """Read every document of a file; raise InvalidRequest, which names file and line."""
    return parse_documents(read_text(path), str(path))


def read_text(path: Path) -> str:
    """Read the text of a file, a character more than LARGEST at most; raise InvalidRequest."""
    try:
        with path.open(encoding="utf-8") as opened:
            return opened.read(LARGEST + 1)
    except OSError as fault:
        message = f"{clean(str(path))} cannot be read: {fault.strerror}."
        raise InvalidRequest(message, next_step="Check its path and who may read it.") from fault
    except UnicodeDecodeError as fault:
        message = f"{clean(str(path))} is no text in UTF-8: {clean(str(fault), 200)}."
        raise InvalidRequest(message, next_step="Write it as YAML or JSON in UTF-8.") from fault


class YamlValue(NamedTuple):
    """A document's value, and its node, which has the lines."""

    value: Any
    node: Any


def parse_documents(text: str, where: str) -> list[ManifestDocument]:
    """Parse the documents of a text, those in a `kind: List` too.

    Raise InvalidRequest, which names file and line of the first fault; `faults` in its details has all.
    """
    parsed = parse_text(text, where)
    if parsed.faults:
        raise faulty_manifests(parsed.faults)
    return parsed.documents


def parse_text(text: str, where: str) -> ParsedManifests:
    """Parse the documents of a text; raise InvalidRequest where it is no YAML or JSON."""
    documents: list[ManifestDocument] = []
    faults: list[str] = []
    rests: list[ManifestDocument] = []
    for value, node in load_values(text, where):
        converted = _convert_body(value, node, SourceText(where, is_json=bool(node.flow_style)))
        documents += converted.documents
        faults += converted.faults
        rests += converted.rests
    return ParsedManifests(documents, faults, rests)


def load_values(text: str, where: str) -> list[YamlValue]:
    """Return the documents of a text of bounded size and depth, those in a `kind: List` too.

    Raise InvalidRequest, which names file and line.
    """
    import yaml

    if len(text) > LARGEST:
        raise InvalidRequest(f"{clean(where)} is larger than {LARGEST} characters.")
    values = []
    try:
        _check_tokens(yaml.scan(text, Loader=yaml.CSafeLoader), where)
        loader = yaml.CSafeLoader(text)
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            for item in _items_of(node):
                value = loader.construct_document(item)
                if value is not None:
                    values.append(YamlValue(value, item))
    except yaml.MarkedYAMLError as fault:
        raise InvalidRequest(_describe_syntax(text, where, fault)) from fault
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        raise InvalidRequest(f"{clean(where)}: {clean(str(fault), 200)}") from fault
    return values


def _describe_syntax(text: str, where: str, fault: Any) -> str:
    """Return what is wrong with a text that is no YAML: of JSON in the words for JSON, with the column."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            json.loads(text)
        except json.JSONDecodeError as refusal:
            if refusal.msg == "Extra data":  # it is JSON in a document of YAML, and more documents follow
                return _describe_yaml(where, fault)
            return f"{clean(where)}:{refusal.lineno}:{refusal.colno}: {clean(refusal.msg)}."
    return _describe_yaml(where, fault)


def _describe_yaml(where: str, fault: Any) -> str:
    line = fault.problem_mark.line + 1 if fault.problem_mark else 1
    return f"{clean(where)}:{line}: {clean(str(fault.problem), 200)}."


def faulty_manifests(faults: Sequence[str]) -> InvalidRequest:
    """Return the error for one or several faults, each with its file and line."""
    more = len(faults) - 1
    others = f" {more} more {'faults are' if more > 1 else 'fault is'} in what was read." if more else ""
    return InvalidRequest(faults[0] + others, faults=list(faults))


def _items_of(node: Any) -> list[Any]:
    """Return the nodes of a document: those of its items for a `kind: List`, as kubectl writes it."""
    keys = {key.value: value for key, value in node.value} if node.id == "mapping" else {}
    kind = keys.get("kind")
    items = keys.get("items")
    if kind is None or kind.value != "List" or items is None or items.id != "sequence":
        return [node]
    return list(items.value)


def _walk_pairs(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the key and value nodes of the mappings in a node, from the top."""
    for entry in node.value if node.id != "scalar" else ():
        if isinstance(entry, tuple):
            yield entry
            yield from _walk_pairs(entry[1])
        else:
            yield from _walk_pairs(entry)


def _find_mark(node: Any, steps: Sequence[str | int]) -> Any:
    """Return the mark of a field, whose line and column are from 0: that of the deepest node on its path."""
    mark = node.start_mark
    for step in steps:
        if isinstance(step, int):
            below = node.value[step] if node.id == "sequence" and step < len(node.value) else None
            key = below
        else:
            pairs = node.value if node.id == "mapping" else []
            key, below = next(((k, v) for k, v in pairs if k.value == step), (None, None))
        if key is None or below is None:
            break
        mark = key.start_mark
        node = below
    return mark


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


def _convert_body(value: Any, node: Any, source: SourceText) -> ParsedManifests:
    """Return the document of a value, or its faults, each with the place of its field and its name."""
    if not isinstance(value, dict) or value.get("kind") not in KINDS:
        kind = value.get("kind") if isinstance(value, dict) else None
        advice = suggest_name(kind, KINDS) if isinstance(kind, str) else f"There are: {', '.join(KINDS)}."
        return ParsedManifests(
            [], [f"{source.place(node)}: kind must be CronJob, BackupStorage or ClaimPolicy. {advice}"], []
        )
    fields, kind = _fields_and_kind(value)
    try:
        return ParsedManifests([ManifestDocument(source, node, msgspec.convert(fields, kind))], [], [])
    except msgspec.ValidationError:
        separated = separate_faults(fields, kind)
    name = _describe_value(value)
    faults = [f"{source.place(node, fault.steps)}: {name}{fault.sentence}" for fault in separated.faults]
    if separated.rest is None:
        return ParsedManifests([], faults, [])
    return ParsedManifests(
        [], faults, [ManifestDocument(source, node, msgspec.convert(separated.rest, kind))]
    )


def _describe_value(value: dict[str, Any]) -> str:
    """Return `cronjob NAMESPACE/NAME: ` and the like of a manifest with faults, as far as it has a name."""
    owner = value.get("metadata") if "apiVersion" in value else value
    fields = owner if isinstance(owner, dict) else {}
    name = fields.get({"BackupStorage": "id", "ClaimPolicy": "claim"}.get(value["kind"], "name"))
    noun = {"BackupStorage": "storage", "ClaimPolicy": "policy of"}.get(value["kind"], "cronjob")
    if not isinstance(name, str):
        return ""
    namespace = "" if noun == "storage" else f"{fields.get('namespace', 'default')}/"
    return f"{noun} {clean(namespace + name, 320)}: "


def _fields_and_kind(value: dict[str, Any]) -> tuple[dict[str, Any], type[ManifestBody]]:
    """Return what is converted of a manifest, and to what."""
    if "apiVersion" in value:
        return {k: v for k, v in value.items() if k != "status"}, CronJobManifest
    fields = {key: entry for key, entry in value.items() if key != "kind"}
    if value["kind"] == "CronJob":
        return fields, CronJobCreate
    if value["kind"] == "ClaimPolicy":
        return fields, ClaimPolicyManifest
    fields["kind"] = fields.pop("kind_of_storage", "local")
    return fields, BackupStorageCreate
