"""One run: its record above, its log below, live while its pod exists, then as the daemon kept it."""

from datetime import datetime
from functools import partial

from textual.app import ComposeResult

from kronkeep_common.errors import DaemonUnreachable, KronkeepError, LogRemoved
from kronkeep_common.models import CronJob, CronJobExecution
from kronkeep_common.text import clean
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import clusters
from kronkeep_tui.pages import runs as page
from kronkeep_tui.prompt import LinePrompt, YesNoPrompt
from kronkeep_tui.store import Store, runs_of
from kronkeep_tui.views.view import View
from kronkeep_tui.views.wait_text import again_text
from kronkeep_tui.widgets.cells import Text, rule
from kronkeep_tui.widgets.line_widget import ScrollablePage, TextLine
from kronkeep_tui.widgets.log_pane import LogPane

BATCH_SECONDS = 0.2
MOST_UNSHOWN_LINES = 20_000  # that wait here while another view is in front
LONGEST_UNFINISHED_LINE = 65_536  # bytes of a line that has no end yet


class RunView(View):
    """The run whose id is the argument."""

    SCOPES = (Scope.RUN, Scope.LOG, Scope.ANY)
    DEFAULT_CSS = """
    RunView { layout: vertical; }
    RunView > .head { height: auto; max-height: 45%; min-height: 4; }
    RunView.-full > .head { display: none; }
    """

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._unshown_lines: list[str] = []
        self._unshown_notes: list[str] = []
        self._unfinished_line = b""

    def compose(self) -> ComposeResult:
        head = ScrollablePage(classes="head")
        head.reachable = False
        yield head
        yield TextLine(id="rule")
        yield LogPane(self.context.clock.now().tzinfo)

    @property
    def log_pane(self) -> LogPane:
        """The widget with the log."""
        return self.query_one(LogPane)

    @property
    def run(self) -> CronJobExecution | None:
        """The run as it is in the store."""
        return self.store.executions.get(self.argument)

    def subject(self) -> CronJobExecution | None:
        return self.run

    def crumb(self, store: Store) -> str:
        run = store.executions.get(self.argument)
        return run.job or f"run {self.argument[:8]}" if run else f"run {self.argument[:8]}"

    def headline(self) -> Text:
        return (("[ older  ] newer", "quiet"),)

    def on_mount(self) -> None:
        """Show new lines of the log every BATCH_SECONDS."""
        self.set_interval(BATCH_SECONDS, self._show_lines)

    def show(self, store: Store, now: datetime) -> None:
        run = store.executions.get(self.argument)
        head = self.query_one(".head", ScrollablePage)
        if run is not None:
            lines = [
                ((" ", ""), *line) for line in page.head(run, store, now, self.context.view_size.width - 2)
            ]
            head.fit(lines)
        self._show_rule()

    def _show_rule(self) -> None:
        self.query_one("#rule", TextLine).say(
            rule(self.context.view_size.width, f"Log ({self.log_pane.describe_display})")
        )

    async def load(self) -> None:
        """Fetch the run if the store does not have it, then follow its log."""
        await self.read_backups()
        self.update()
        self.run_worker(self._follow(), name="log", group="log", exclusive=True, exit_on_error=False)

    async def read_backups(self) -> None:
        await self.context.reader.fetch_run(self.argument)

    async def _follow(self) -> None:
        try:
            async for chunk in self.context.client.runs.log(self.argument, follow=True):
                self._add_chunk(chunk)
            self._add_chunk(b"\n" if self._unfinished_line else b"")
            self.log_pane.is_ended = True
            self._unshown_notes.append(self._end_line())
        except DaemonUnreachable:
            self._unshown_notes.append("-- the connection to the daemon broke; ctrl+r reads the log again --")
        except LogRemoved as error:
            self._unshown_notes += [f"-- {clean(error.message)} --", f"-- {clean(error.next_step)} --"]
        except KronkeepError as error:
            self._unshown_notes.append(f"-- {clean(error.message)} --")
        self._show_lines()

    def _end_line(self) -> str:
        run = self.run
        kept = sum(log.kept for log in run.logs) if run else 0
        lost = any(log.truncated for log in run.logs) if run else False
        words = "kept by the daemon; the middle was too long to keep" if lost else "kept by the daemon"
        return f"-- end of log, {words} --" if kept else "-- end of log --"

    def _add_chunk(self, chunk: bytes) -> None:
        *whole, self._unfinished_line = (self._unfinished_line + chunk).split(b"\n")
        if len(self._unfinished_line) > LONGEST_UNFINISHED_LINE:
            whole = [*whole, self._unfinished_line]
            self._unfinished_line = b""
        self._unshown_lines += [clean(line.decode(errors="replace").removesuffix("\r")) for line in whole]
        if len(self._unshown_lines) > MOST_UNSHOWN_LINES:
            self._hand_over_lines()

    def _show_lines(self) -> None:
        if (self._unshown_lines or self._unshown_notes) and self.display and self.is_in_front:
            self._hand_over_lines()
            notes = self._unshown_notes
            self._unshown_notes = []
            self.log_pane.add_notes(notes)
            self._show_rule()

    def _hand_over_lines(self) -> None:
        lines = self._unshown_lines
        self._unshown_lines = []
        self.log_pane.add(lines)

    def refusal(self, action: Action) -> str:
        run = self.run
        cronjob = self._cronjob()
        if action in (actions.TRIGGER, actions.BACK_UP) and cronjob is None:
            return "The CronJob no longer exists."
        if action == actions.BACK_UP and cronjob is not None and cronjob.policy is None:
            return f"{clusters.label(cronjob, self.store)} has no backup policy."
        if action == actions.CANCEL and run is not None and run.status not in ("running", "pending"):
            return "The run has ended; there is nothing to stop."
        return ""

    def _cronjob(self) -> CronJob | None:
        run = self.run
        return self.store.cronjob(run.cronjob_id) if run else None

    def _show_neighbour(self, step: int) -> None:
        run = self.run
        runs = runs_of(self.store, run.cronjob_id) if run else []
        place = next((n for n, r in enumerate(runs) if r.id == self.argument), -1) + step
        if run is not None and 0 <= place < len(runs):
            self.context.replace("run", runs[place].id)
        else:
            self.context.tell("There is no older run here." if step > 0 else "There is no newer run.")

    @handles(actions.OLDER)
    def show_older(self) -> None:
        """Show the run before this one."""
        self._show_neighbour(1)

    @handles(actions.NEWER)
    def show_newer(self) -> None:
        """Show the run after this one."""
        self._show_neighbour(-1)

    @handles(actions.TRIGGER)
    def ask_trigger(self) -> None:
        """Run the CronJob now, after a question."""
        if (cronjob := self._cronjob()) is not None:
            self.confirm_for_cronjobs("Run now", [cronjob], self.changes.trigger)

    @handles(actions.BACK_UP)
    def ask_back_up(self) -> None:
        """Back up the CronJob now, after a question."""
        if (cronjob := self._cronjob()) is not None:
            self.confirm_for_cronjobs("Back up now", [cronjob], self.changes.back_up)

    @handles(actions.CANCEL)
    def ask_cancel(self) -> None:
        """Stop the run, after a question."""
        if (run := self.run) is not None:
            self.context.ask(YesNoPrompt(f"Stop {page.label(run)}?", partial(self.changes.cancel, [run])))

    @handles(actions.HISTORY)
    def show_history(self) -> None:
        """Show the CronJob's past."""
        if (run := self.run) is not None:
            self.context.enter("history", run.cronjob_id)

    @handles(actions.EVENTS)
    def show_events(self) -> None:
        """Show the Kubernetes Events of the run."""
        self.context.enter("events", self.argument)

    @handles(actions.MANIFEST)
    def show_manifest(self) -> None:
        """Show the run's Job as YAML."""
        self.context.enter("yaml", f"manifest {self.argument}")

    @handles(actions.COMPARE)
    def compare_with_previous(self) -> None:
        """Compare the run with the one before it."""
        run = self.run
        runs = runs_of(self.store, run.cronjob_id) if run else []
        place = next((n for n, r in enumerate(runs) if r.id == self.argument), 0)
        if place + 1 < len(runs):
            self.context.enter("compare", f"{runs[place + 1].id} {self.argument}")
        else:
            self.context.tell("There is no older run to compare it with.")

    @handles(actions.YAML)
    def show_yaml(self) -> None:
        """Show the record as YAML."""
        self.context.enter("yaml", f"execution {self.argument}")

    @handles(actions.COPY)
    def copy_selection(self) -> None:
        """Copy the run's id."""
        self.context.copy(self.argument)

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Read the record and the log again."""
        self.log_pane.clear()
        self._unfinished_line = b""
        self.context.start_work(self.load(), "load run")
        self.context.reader.resync()
        self.context.tell(again_text(self.context), "quiet")

    @handles(actions.SEARCH)
    def ask_search(self) -> None:
        """Ask what to search for in the log."""
        self.context.ask(LinePrompt("/", self._search, text=self.log_pane.searched, on_change=self._search))

    def unwind(self) -> bool:
        """End the search; return False where there is none."""
        if not self.log_pane.searched:
            return False
        self._search("")
        return True

    def _search(self, words: str) -> None:
        self.log_pane.search(words)
        self._show_rule()

    @handles(actions.NEXT_MATCH)
    def go_to_next_match(self) -> None:
        """Go to the next match."""
        self._go_to_match(1)

    @handles(actions.PREVIOUS_MATCH)
    def go_to_previous_match(self) -> None:
        """Go to the match before."""
        self._go_to_match(-1)

    def _go_to_match(self, step: int) -> None:
        if not self.log_pane.go_to_next_match(step):
            self.context.tell("Nothing more is found." if self.log_pane.searched else "/ searches first.")
        self._show_rule()

    def _toggle(self, what: str, on: str, off: str) -> None:
        """Toggle how the log is shown; `on` and `off` say what it is then."""
        self.context.tell(on if self.log_pane.toggle(what) else off, "quiet")
        self._show_rule()

    @handles(actions.FOLLOW)
    def toggle_following(self) -> None:
        """Follow the end of the log, or stay."""
        self._toggle("follow", "The log is followed to its end.", "The log stays where it is.")

    @handles(actions.WRAP)
    def toggle_wrapping(self) -> None:
        """Wrap long lines, or cut them."""
        self._toggle("wrapped", "Long lines are wrapped.", "Long lines are cut; left and right move them.")

    @handles(actions.TIMES)
    def toggle_times(self) -> None:
        """Show the times of the lines, or hide them."""
        self._toggle("times", "With times.", "Without times.")

    @handles(actions.LEFT)
    def move_left(self) -> None:
        """Scroll to the left."""
        self.log_pane.sideways(-1)

    @handles(actions.RIGHT)
    def move_right(self) -> None:
        """Scroll to the right."""
        self.log_pane.sideways(1)

    @handles(actions.FULL)
    def toggle_full_log(self) -> None:
        """Give the whole view to the log, or share it with the record again."""
        self.toggle_class("-full")
