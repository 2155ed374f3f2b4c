"""What is read of the daemon for the row under the cursor: once the cursor rests, and remembered."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from kronkeep_common.errors import DaemonUnreachable, KronkeepError
from kronkeep_tui.context import Context

KeyT = TypeVar("KeyT")
T = TypeVar("T")
FROM_COLUMNS = 160  # of the terminal; below there is no space beside the list
MOST_KEPT = 50  # answers


class _Answer(NamedTuple, Generic[T]):
    """What was answered, and on which connection since the start."""

    value: T | KronkeepError
    connection: int


class RowReader(Generic[KeyT, T]):
    """The answers by what decides them, such as a run's id; `on_read` is called when one has come.

    A refusal is remembered, too; if the daemon was away, only until it is back.
    """

    def __init__(
        self, context: Context, read: Callable[[KeyT], Awaitable[T]], on_read: Callable[[], None]
    ) -> None:
        self._context = context
        self._read = read
        self._on_read = on_read
        self._answers: OrderedDict[KeyT, _Answer[T]] = OrderedDict()
        self._asked: KeyT | None = None

    def get(self, key: KeyT) -> T | KronkeepError | None:
        """Return the answer of a key; where there is none, ask for it, and return None."""
        answer = self._answers.get(key)
        connection = self._context.reader.connections
        if (
            answer is not None
            and isinstance(answer.value, DaemonUnreachable)
            and answer.connection < connection
        ):
            answer = None
        if answer is not None:
            return answer.value
        if self._asked != key and self._context.reader.live:
            self._asked = key
            self._context.start_work(self._ask(key), f"preview of {key}")
        return None

    async def _ask(self, key: KeyT) -> None:
        connection = self._context.reader.connections
        value: T | KronkeepError
        try:
            value = await self._read(key)
        except KronkeepError as error:
            value = error
        self._answers[key] = _Answer(value, connection)
        while len(self._answers) > MOST_KEPT:
            self._answers.popitem(last=False)
        self._asked = None
        self._on_read()
