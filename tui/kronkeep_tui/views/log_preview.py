"""The last lines of a run's log beside a list."""

from collections.abc import Callable, Sequence

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import EXECUTION_TRANSITIONS, is_final
from kronkeep_common.text import clean_lines
from kronkeep_tui.context import Context
from kronkeep_tui.views.row_reader import FROM_COLUMNS, RowReader
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text, fit_text, rule, wrap
from kronkeep_tui.widgets.log_pane import log_text

LINES = 30


class LogPreview:
    """The ends of logs by run; `on_read` is called when one has come."""

    def __init__(self, context: Context, on_read: Callable[[], None]) -> None:
        self._context = context
        self._texts = RowReader[str, Sequence[str]](context, self._read, on_read)

    @property
    def is_shown(self) -> bool:
        """Whether there is space for it."""
        return self._context.view_size.width >= FROM_COLUMNS

    def lines(self, run: CronJobExecution | None, width: int) -> list[Text]:
        """Return the end of a run's log below a rule; read it where it was not read yet."""
        if run is None or not self.is_shown or run.job is None:
            return []
        if not is_final(EXECUTION_TRANSITIONS, run.status):
            return [(), (("It goes on: l follows its log.", "quiet"),)]
        head: list[Text] = [(), (rule(width, "Log"),)]
        text = self._texts.get(run.id)
        if text is None:
            return [*head, *waiting_lines(self._context, width)]
        if isinstance(text, KronkeepError):
            return [*head, *(((part, ""),) for part in wrap(text.message, width))]
        zone = self._context.clock.now().tzinfo
        return [*head, *(fit_text(log_text(line, zone), width) for line in text)]

    async def _read(self, run_id: str) -> Sequence[str]:
        """Read the end of a log."""
        chunks = [chunk async for chunk in self._context.client.runs.log(run_id, tail=LINES)]
        return clean_lines(b"".join(chunks).decode(errors="replace").rstrip("\n"))[-LINES:]
