"""Policies that no CronJob carries any more and whose backups are in one storage; and their adoption."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

from kronkeep_common.api import AdoptRequest
from kronkeep_common.errors import Conflict, InvalidRequest
from kronkeep_common.models import OrphanedPolicy
from kronkeep_common.text import count_words
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import orphans as page
from kronkeep_tui.prompt import LinePrompt, name_prompt
from kronkeep_tui.shell_commands import cronjob_route, lines_of_change
from kronkeep_tui.store import Store
from kronkeep_tui.views.sort_orders import SortOrder
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.row_table import TableRow


class OrphansView(TableView[OrphanedPolicy]):
    """The orphaned policies of the storage whose name is the argument."""

    SCOPES = (Scope.ORPHANS, Scope.TABLE, Scope.ANY)
    COLUMNS = page.COLUMNS
    CLUSTER_COLUMN_INDEX = 1
    DEFAULT_CSS = "OrphansView > .detail { height: 7; }"
    EMPTY_LINES = ("Every backup here is of a policy that a CronJob carries.",)
    SORT_ORDERS = {
        "n": SortOrder("name", attrgetter("namespace", "cronjob")),
        "a": SortOrder("newest", attrgetter("newest_at"), True),
    }

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._orphans: Sequence[OrphanedPolicy] = ()

    def crumb(self, store: Store) -> str:
        return f"orphans in {self.argument}"

    def records(self, store: Store) -> Sequence[OrphanedPolicy]:
        return self._orphans

    def version(self, store: Store) -> object:
        return self._orphans

    def key_of(self, record: OrphanedPolicy) -> str:
        return page.key_of(record)

    def is_faulty(self, record: OrphanedPolicy) -> bool:
        """Return whether its backups can neither be adopted nor kept by rules that are known."""
        return record.retention is None and not record.adopters

    def row_of(self, record: OrphanedPolicy, store: Store, now: datetime) -> TableRow:
        return page.row(record, now)

    def detail_lines(self, record: OrphanedPolicy, store: Store, now: datetime, width: int) -> list[Text]:
        return page.detail(record, now, width)

    def copy_text(self, record: OrphanedPolicy) -> Any:
        return record.policy_id

    async def load(self) -> None:
        """Read the orphaned policies."""
        self._orphans = tuple((await self.context.client.storages.orphans(self.argument)).items)
        self.update()

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Read the orphaned policies again."""
        self.context.start_work(self.read(), f"orphans {self.argument}")

    def refusal(self, action: Action) -> str:
        orphan = self.subject()
        if orphan is None:
            return ""
        if action == actions.CHOOSE and orphan.retention is None:
            return "Its rules are not known, so nothing says what would go."
        return ""

    @handles(actions.CHOOSE)
    def show_plan(self) -> None:
        """Show what the policy's own rules would remove; the removals are approved there."""
        if (orphan := self.subject()) is not None:
            self.context.enter("retention", page.key_of(orphan))

    @handles(actions.ADOPT)
    def ask_adopter(self) -> None:
        """Ask which CronJob's policy takes the backups over, beginning with the likeliest if there is one."""
        orphan = self.subject()
        if orphan is None:
            return
        lead = f"The backups of {orphan.policy_id[:12]} are adopted by: "
        accept = partial(self._plan_adoption, orphan)
        self.context.ask(LinePrompt(lead, accept, text=next(iter(orphan.adopters), "")))

    def _plan_adoption(self, orphan: OrphanedPolicy, line: str) -> None:
        namespace, slash, name = line.strip().partition("/")
        if not (namespace and slash and name):
            raise InvalidRequest(
                "Which CronJob adopts them was not said.", next_step="Write it as NAMESPACE/CRONJOB."
            )
        self.context.start_work(self._ask_confirmation(orphan, namespace, name), "adopt")

    async def _ask_confirmation(self, orphan: OrphanedPolicy, namespace: str, name: str) -> None:
        """Say what is adopted and ask for the CronJob's name; raise Conflict for claims not its own."""
        calls = self.context.client.for_cluster(orphan.cluster).cronjobs
        request = AdoptRequest(policy_id=orphan.policy_id)
        plan = await calls.adopt(namespace, name, request, dry_run=True)
        if plan.other_claims:
            raise Conflict(
                f"{namespace}/{name} does not have the claims {', '.join(plan.other_claims[:5])}.",
                next_step=f"All the same: kronkeep adopt {namespace}/{name} --policy {orphan.policy_id} "
                f"--other-claims --yes {name}.",
            )
        question = page.adoption_question(orphan, plan, f"{namespace}/{name}")
        accept = partial(self._start_adoption, orphan, namespace, name)
        self.context.ask(name_prompt(question, name, accept))

    def _start_adoption(self, orphan: OrphanedPolicy, namespace: str, name: str) -> None:
        self.context.start_work(self._adopt(orphan, namespace, name), "adopt")

    async def _adopt(self, orphan: OrphanedPolicy, namespace: str, name: str, *, undo: bool = False) -> None:
        calls = self.context.client.for_cluster(orphan.cluster).cronjobs
        request = AdoptRequest(policy_id=orphan.policy_id, confirm=name, undo=undo)
        adopted = await calls.adopt(namespace, name, request)
        words = ("adopt", f"{namespace}/{name}", "--policy", orphan.policy_id, "--yes", name)
        self.context.last_change = lines_of_change(
            (*words, "--undo") if undo else words,
            f"{cronjob_route(namespace, name)}/adopt",
            body=request,
            cluster=self.store.cluster_option(orphan.cluster),
        )
        count = count_words(adopted.backups, "backup")
        if undo:
            self.context.tell(f"{namespace}/{name} has given {count} back.", "ok")
        else:
            self.context.offer_undo(
                f"{namespace}/{name} has adopted {count}.",
                partial(self._start_undo, orphan, namespace, name),
            )
        await self.load()

    def _start_undo(self, orphan: OrphanedPolicy, namespace: str, name: str) -> None:
        self.context.start_work(self._adopt(orphan, namespace, name, undo=True), "adopt")
