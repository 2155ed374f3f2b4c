"""Programs that take the terminal's screen for a while: an editor, a command of the user's own."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType, TracebackType

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean

LONGEST_NAME = 100  # characters of a program that a message names


class KeptFault(AbstractContextManager[None]):
    """Keep the exception of a block, to raise it once the screen is back.

    Textual's `App.suspend` resumes only after a block that ends well: an exception in it would leave a blank
    screen that takes no key.
    """

    def __init__(self) -> None:
        self._fault: BaseException | None = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._fault = fault
        return True

    def raise_again(self) -> None:
        """Raise the exception of the block, if it had one."""
        if self._fault is not None:
            raise self._fault


def run_program(argv: Sequence[str], *, next_step: str) -> int:
    """Run a program on the terminal until it ends and return its exit code.

    Below 0 it is the negative number of the signal that ended it. ctrl+c is the program's alone. Raise
    InvalidRequest with `next_step` where it cannot be run.
    """
    try:
        with _interrupts_left_to_program():
            return subprocess.run(list(argv), check=False).returncode
    except FileNotFoundError as fault:
        raise InvalidRequest(f"{_name(argv)}: not found.", next_step=next_step) from fault
    except (OSError, ValueError) as fault:
        why = (getattr(fault, "strerror", None) or str(fault)).lower()
        raise InvalidRequest(f"{_name(argv)}: {why}.", next_step=next_step) from fault


def describe_end(code: int) -> str:
    """Return how a program ended: `ended with 1`, `was killed by SIGKILL`."""
    if code >= 0:
        return f"ended with {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def wait_for_enter(question: str) -> None:
    """Ask a question that enter answers, or ctrl+d; ctrl+c, which ended the program, does nothing more."""
    with _interrupts_left_to_program(), suppress(EOFError):
        input(question)


def _name(argv: Sequence[str]) -> str:
    return clean(argv[0], LONGEST_NAME)


@contextmanager
def _interrupts_left_to_program() -> Iterator[None]:
    """Do nothing on SIGINT, which a terminal sends to every program in front; a child has its default."""
    before = signal.signal(signal.SIGINT, _ignore)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal by doing nothing; SIG_IGN would be inherited by the program."""
