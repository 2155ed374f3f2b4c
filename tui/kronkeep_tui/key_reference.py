"""Write the README's table of keys from the registry: python -m kronkeep_tui.key_reference README.md."""

import sys
from pathlib import Path

from kronkeep_tui.actions import key_table

HEADING = "## Keys\n"


def with_table(text: str) -> str:
    """The README with the registry's table in the place of the one it has."""
    before, heading, rest = text.partition(HEADING)
    _, table, after = rest.partition("\n| keys |")
    own = rest[: rest.index(table)] if table else "\n"
    tail = after[after.index("\n\n") :] if table else rest
    return f"{before}{heading}{own}\n{key_table()}{tail[1:]}" if heading else text


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text()))
