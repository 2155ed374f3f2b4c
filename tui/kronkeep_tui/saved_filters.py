"""Filters that were saved under a name: those of the settings, and those that were saved in the terminal.

They are written `@NAME` where a filter is. Those of the terminal are in `filters.json` beside terminal.toml.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_common.name_suggestions import suggest_name
from kronkeep_common.text import clean
from kronkeep_tui.prompt import LinePrompt

MOST = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}")


class SavedFilters:
    """The filters by their names; the settings' own go before others."""

    def __init__(self, own: Mapping[str, str], path: Path) -> None:
        self._own = dict(own)
        self._path = path

    def texts(self) -> dict[str, str]:
        """Return every filter by its name; a file that cannot be read has none."""
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError):
            saved = {}
        return saved | self._own

    def expand(self, text: str) -> str:
        """Return the filter that `@NAME` means, any other text as it is; raise InvalidRequest."""
        name = text.strip().removeprefix("@")
        if not text.strip().startswith("@"):
            return text
        texts = self.texts()
        if name not in texts:
            advice = suggest_name(name, texts) if texts else "ctrl+s in the prompt of a filter saves one."
            raise InvalidRequest(f"There is no filter @{clean(name, 40)}.", next_step=advice)
        return texts[name]

    def complete(self, text: str) -> list[str]:
        """Return the names that begin with what is typed, each with its `@`."""
        return [f"@{name}" for name in sorted(self.texts()) if f"@{name}".startswith(text) and text]

    def ask_name(self, text: str, tell: Callable[[str, str], None]) -> LinePrompt:
        """Return the question for the name under which a filter is kept."""

        def save(name: str) -> None:
            self.save(name, text)
            tell(f"@{name} in the prompt of a filter is now: {text}", "ok")

        return LinePrompt("Name of the filter: ", save)

    def save(self, name: str, text: str) -> None:
        """Keep a filter under a name; raise InvalidRequest."""
        if not _NAME.fullmatch(name):
            raise InvalidRequest("A name has letters, digits, - and _.", next_step="ctrl+s asks again.")
        if name in self._own:
            raise InvalidRequest(f"@{name} is in terminal.toml.", next_step="Choose another name.")
        texts = {key: value for key, value in self.texts().items() if key not in self._own} | {name: text}
        if len(texts) > MOST:
            raise InvalidRequest(
                f"There are {MOST} filters already.", next_step=f"Remove some in {self._path}."
            )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_name(f"{self._path.name}.part")
            part.write_bytes(msgspec.json.format(msgspec.json.encode(texts), indent=2) + b"\n")
            part.replace(self._path)
        except OSError as fault:
            raise _unwritable(self._path, fault) from fault


def _unwritable(path: Path, fault: OSError) -> KronkeepError:
    return InvalidRequest(f"{path} cannot be written: {fault.strerror}.", next_step="Correct that first.")
