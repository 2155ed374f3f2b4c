"""The command that makes a Secret that is missing."""

from collections.abc import Sequence

from kronkeep_common.text import clean


def creation_of_secret(namespace: str, name: str, keys: Sequence[str]) -> str:
    """Return the line of kubectl that makes a Secret; without keys that are known it ends in KEY."""
    literals = " ".join(f"--from-literal={clean(key, 100)}=..." for key in keys or ("KEY",))
    return f"kubectl -n {clean(namespace, 100)} create secret generic {clean(name, 100)} {literals}"
