"""The checks of the databases that the history is shipped to."""

from kronkeep_common.api import Check, SinkView
from kronkeep_common.text import clean


def check_sink(sink: SinkView) -> Check:
    """Check one sink: fail while it takes nothing, warn while it is behind or has refused records."""
    name = f"sink {clean(sink.name, 40)}"
    waiting = f"{sink.lag} changes wait." if sink.lag else ""
    if sink.status == "failed":
        message = f"{sink.message or 'It takes no changes.'} {waiting}".strip()
        return Check(name=name, status="fail", message=message, next_step=sink.next_step)
    if sink.refused:
        message = f"It refused {sink.refused} records since kronkeepd started."
        next_step = "See what and why: SELECT * FROM kronkeep.refused."
        return Check(name=name, status="warn", message=message, next_step=next_step)
    if sink.status == "copying":
        what = "the months that are sealed" if sink.kind == "parquet" else "the whole history"
        message = f"It gets {what}: {sink.copied or 0} records so far."
        return Check(name=name, status="ok", message=message)
    if sink.status == "live" and sink.kind == "parquet":
        return Check(name=name, status="ok", message="It has every month that is sealed, as it was written.")
    if sink.status == "live":
        return Check(name=name, status="ok", message=f"It has every change up to {sink.sequence}.")
    message = f"It is {sink.status}. {waiting}".strip()
    return Check(name=name, status="warn", message=message, next_step="Wait: kronkeep get sinks.")
