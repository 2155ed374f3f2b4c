"""Work of a view beside the screen, which may end when the view has been left."""

from collections.abc import Callable, Coroutine
from typing import Any

from textual.css.query import NoMatches

from kronkeep_common.errors import KronkeepError
from kronkeep_tui.later_work import run_later
from kronkeep_tui.views.view import View


async def run_for_view(
    work: Coroutine[Any, Any, None], name: str, *, view: View, tell: Callable[[str, str], None]
) -> None:
    """Do the work of a view; tell its KronkeepError, and any fault of ours by the work's name.

    The widgets of a view that was left meanwhile are gone, so its work then has nothing to show.
    """
    try:
        await run_later(work)
    except KronkeepError as error:
        tell(f"{error.message} {error.next_step} [{error.code}]", "bad")
    except Exception as fault:  # the top of a task: it ends, the terminal stays
        if isinstance(fault, NoMatches) and view.is_left:
            return
        tell(f"{name} ended with a fault of kronkeep: {fault!r}", "bad")
        raise
