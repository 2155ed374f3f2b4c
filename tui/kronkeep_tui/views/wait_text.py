"""What stands where an answer of the daemon is waited for."""

from kronkeep_tui.context import Context
from kronkeep_tui.widgets.cells import Text, wrap

READING = "Reading ..."
STILL_READING = "Still reading: press the key again once there are rows."
ENDED = "The daemon has ended, so this was not read."
AWAY = "The daemon is away, so this was not read. It is read once the daemon answers again."


def is_away(context: Context) -> bool:
    """Whether nobody answers now, so that nothing can come."""
    return context.reader.lost is not None


def waiting_lines(context: Context, width: int, words: str = READING) -> list[Text]:
    """Return the lines shown until an answer comes: `words`, or that the daemon is away."""
    if not is_away(context):
        return [((words, "quiet"),)]
    words = AWAY if context.reader.end is None else ENDED
    return [((part, "warn"),) for part in wrap(words, width)]


def again_text(context: Context) -> str:
    """Return the message after the key that reads everything again."""
    if (end := context.reader.end) is not None:
        return f"{end.message} {end.next_step}"
    return "The daemon is away; it is tried at once." if is_away(context) else "Reading again."
