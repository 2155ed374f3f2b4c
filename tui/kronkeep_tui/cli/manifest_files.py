"""The manifests in files, folders and standard input, with the faults of all of them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kronkeep_common import manifests
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.manifests import ManifestDocument, ParsedManifests
from kronkeep_common.text import clean

STANDARD_INPUT = "standard input"


class NamedFile(NamedTuple):
    """A file, or standard input where there is no path."""

    name: str
    path: Path | None


class ReadManifests(NamedTuple):
    """The documents that could be read, why others could not be, and what is left of those (`rests`)."""

    documents: list[ManifestDocument]
    refusals: list[InvalidRequest]
    rests: list[ManifestDocument]


def read_documents(names: list[str]) -> ReadManifests:
    """Read every document of files and folders; `-` is standard input.

    Warn about a file without one. Raise InvalidRequest where there is none at all.
    """
    documents: list[ManifestDocument] = []
    refusals: list[InvalidRequest] = []
    rests: list[ManifestDocument] = []
    empty: list[str] = []
    for file in _list_files(names):
        try:
            parsed = _read_file(file)
        except InvalidRequest as refusal:
            refusals.append(refusal)
            continue
        documents += parsed.documents
        refusals += map(InvalidRequest, parsed.faults)
        rests += parsed.rests
        empty += [] if parsed.documents or parsed.faults else [clean(file.name, 300)]
    refusals += map(InvalidRequest, _find_twice(documents))
    if not documents and not refusals:
        raise InvalidRequest(
            f"There is no manifest in {', '.join(empty or [clean(name, 300) for name in names])}.",
            next_step=f"Name files or folders of manifests ({', '.join(manifests.SUFFIXES)}): see --help.",
        )
    sys.stderr.write("".join(f"warning: there is no manifest in {name}\n" for name in empty))
    return ReadManifests(documents, refusals, rests)


def _list_files(names: list[str]) -> Iterator[NamedFile]:
    """Yield the files that names mean, those of a folder in order; raise InvalidRequest."""
    for name in names:
        try:
            yield from _files_of(name)
        except OSError as fault:
            message = f"{clean(name, 300)} cannot be read: {fault.strerror}."
            raise InvalidRequest(message, next_step="Check its path and who may read it.") from fault


def _files_of(name: str) -> list[NamedFile]:
    if name == "-":
        return [NamedFile(STANDARD_INPUT, None)]
    path = Path(name)
    if not path.is_dir():
        return [NamedFile(name, path)]
    inside = sorted(each for each in path.rglob("*") if each.suffix in manifests.SUFFIXES)
    return [NamedFile(str(each), each) for each in inside]


def _read_file(file: NamedFile) -> ParsedManifests:
    text = sys.stdin.read(manifests.LARGEST + 1) if file.path is None else manifests.read_text(file.path)
    return manifests.parse_text(text, file.name)


def _find_twice(documents: list[ManifestDocument]) -> Iterator[str]:
    """Yield a fault for each manifest of an object that an earlier one describes."""
    places: dict[str, str] = {}
    for document in documents:
        name = manifests.describe(document.body)
        if name in places:
            yield f"{document.where}: {name}: it is in {places[name]} already."
        places.setdefault(name, document.where)
