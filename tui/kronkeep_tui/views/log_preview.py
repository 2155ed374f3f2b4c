"""The last lines of a run's log beside a list; read once the cursor rests on the run, and remembered."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import EXECUTION_TRANSITIONS, is_final
from kronkeep_common.text import clean_lines
from kronkeep_tui.context import Context
from kronkeep_tui.widgets.cells import Text, fit_text, rule
from kronkeep_tui.widgets.log_pane import log_text

FROM_COLUMNS = 160  # of the terminal; below there is no space beside the list
LINES = 30
MOST_KEPT = 50  # logs


class LogPreview:
    """The ends of logs by run; `on_read` is called when one has come."""

    def __init__(self, context: Context, on_read: Callable[[], None]) -> None:
        self._context = context
        self._on_read = on_read
        self._texts: OrderedDict[str, Sequence[str]] = OrderedDict()
        self._asked = ""

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
        text = self._texts.get(run.id)
        if text is None:
            self._ask(run.id)
            return [(), (rule(width, "Log"),), (("Reading ...", "quiet"),)]
        return [(), (rule(width, "Log"),), *(fit_text(log_text(line), width) for line in text)]

    def _ask(self, run_id: str) -> None:
        if self._asked != run_id and self._context.reader.live:
            self._asked = run_id
            self._context.start_work(self._read(run_id), "log preview")

    async def _read(self, run_id: str) -> None:
        """Read the end of a log; why it cannot be read stands in its place."""
        try:
            chunks = [chunk async for chunk in self._context.client.runs.log(run_id, tail=LINES)]
            lines = clean_lines(b"".join(chunks).decode(errors="replace").rstrip("\n"))[-LINES:]
        except KronkeepError as error:
            lines = [error.message]
        self._texts[run_id] = lines
        while len(self._texts) > MOST_KEPT:
            self._texts.popitem(last=False)
        self._asked = ""
        self._on_read()
