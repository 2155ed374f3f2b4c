"""Values of YAML with the lines at which they stand, for messages about each."""

from typing import Any, NamedTuple

from kronkeep_common import manifests
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean


class LocatedValue(NamedTuple):
    """A value and its line, from 1."""

    value: Any
    line: int


def read_mapping(text: str, where: str) -> dict[str, LocatedValue]:
    """Return the entries of the one mapping in a text; raise InvalidRequest for anything else."""
    documents = manifests.load_values(text, where)
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise InvalidRequest(f"{clean(where)} must hold one mapping of options.")
    value, node = documents[0]
    lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
    return {str(key): LocatedValue(entry, lines.get(str(key), 1)) for key, entry in value.items()}
