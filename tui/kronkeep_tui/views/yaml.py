"""A record as YAML."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec

from kronkeep_common.text import clean_lines
from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text


class YamlView(PageView):
    """What the argument names: `cronjob NAMESPACE/NAME@CLUSTER`, or a kind and an id.

    Kinds are execution, backup, storage, and manifest for the Job of a run.
    """

    SCOPES = (Scope.YAML, Scope.PAGE, Scope.ANY)

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._text = ""

    def crumb(self, store: Store) -> str:
        return "YAML"

    def subject(self) -> str | None:
        return self._text or None

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        return (
            [_colour_line(line) for line in clean_lines(self._text)]
            if self._text
            else waiting_lines(self.context, width)
        )

    async def load(self) -> None:
        import yaml

        record = await self._read_record()
        self._text = yaml.safe_dump(msgspec.to_builtins(record), sort_keys=False, allow_unicode=True)
        self.update()

    async def _read_record(self) -> object:
        kind, _, name = self.argument.partition(" ")
        client = self.context.client
        if kind == "cronjob":
            name, _, cluster = name.partition("@")
            return await client.for_cluster(cluster).cronjobs.spec(*name.split("/", 1))
        read: dict[str, Callable[[str], Awaitable[object]]] = {
            "execution": client.runs.get,
            "manifest": client.runs.manifest,
            "backup": client.backups.get,
            "storage": client.storages.get,
        }
        return await read[kind](name)

    @handles(actions.COPY)
    def copy_selection(self) -> None:
        """Copy the whole text."""
        self.context.copy(self._text)


def _colour_line(line: str) -> Text:
    key, colon, value = line.partition(":")
    return ((key + colon, "accent"), (value, "")) if colon and " " not in key.strip(" -") else ((line, ""),)
