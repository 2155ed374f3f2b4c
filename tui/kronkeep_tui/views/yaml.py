"""A record as YAML: a CronJob as it would be written, a run, a backup or a storage as it is known."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from kronkeep_common.text import clean_lines
from kronkeep_tui.actions import ANY, PAGE
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.widgets.cells import Text


class YamlView(PageView):
    """What `of` names: `cronjob NAMESPACE/NAME@CLUSTER`, or a kind and an id; `manifest` is of a run."""

    SCOPES = ("yaml", PAGE, ANY)

    def __init__(self, of: str = "") -> None:
        super().__init__(of)
        self._text = ""

    def crumb(self, store: Store) -> str:
        """What it is."""
        return "YAML"

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        """The text; keys are told from values."""
        return (
            [_line(line) for line in clean_lines(self._text)] if self._text else [(("Reading ...", "quiet"),)]
        )

    async def load(self) -> None:
        """Reads the record and writes it."""
        import yaml

        record = await self._read()
        self._text = yaml.safe_dump(msgspec.to_builtins(record), sort_keys=False, allow_unicode=True)
        self.again()

    async def _read(self) -> Any:
        kind, _, name = self.of.partition(" ")
        client = self.kronkeep.client
        if kind == "cronjob":
            name, _, cluster = name.partition("@")
            return await client.on(cluster).cronjob_spec(*name.split("/", 1))
        return await getattr(client, kind)(name)

    def do_copy(self) -> None:
        """Copies the text."""
        self.frame.copy(self._text)


def _line(line: str) -> Text:
    key, colon, value = line.partition(":")
    return ((key + colon, "accent"), (value, "")) if colon and " " not in key.strip(" -") else ((line, ""),)
