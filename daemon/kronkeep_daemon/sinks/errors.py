"""What keeps a sink from taking changes; none of them stops a run, a backup or the daemon."""

from kronkeep_common.errors import Internal, ToolMissing, Unavailable


class SinkUnreachable(Unavailable):
    """The database of a sink does not answer."""

    code = "SinkUnreachable"
    default_next_step = (
        "Check that the server runs and that the sink's URL names it; changes are kept meanwhile."
    )


class SinkRefused(Unavailable):
    """The database of a sink refuses the daemon, or what it writes."""

    code = "SinkRefused"
    retryable = False
    default_next_step = "Correct what the message names in the database or in the sink's URL."


class SinkUrlUnreadable(Unavailable):
    """The file or Secret with a sink's URL cannot be read."""

    code = "SinkUrlUnreadable"
    retryable = False
    default_next_step = "Create the file or the Secret's key that history.sinks names, with one URL in it."


class SinkShared(Unavailable):
    """Another kronkeepd ships the same history to the database, as after a copy of a state folder."""

    code = "SinkShared"
    default_next_step = "Stop the other kronkeepd, or let it begin with a new state folder."


class SinkTooNew(Internal):
    """The tables of a sink were changed by a later kronkeep."""

    code = "SinkTooNew"
    default_next_step = "Update this kronkeepd; its changes are kept meanwhile."


class SinkDriverMissing(ToolMissing):
    """The library of a sink's kind is not installed."""

    code = "SinkDriverMissing"
    default_next_step = "Install it beside kronkeepd: pip install 'kronkeep[postgres]'."
