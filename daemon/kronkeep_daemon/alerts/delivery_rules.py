"""The alert rules about what carries alerts; such an alert is sent on the channels that work."""

from kronkeep_common.alert_codes import AlertCode
from kronkeep_daemon.alerts.channel_health import ChannelFault
from kronkeep_daemon.alerts.rule_results import AlertFinding


def channel_finding(fault: ChannelFault) -> AlertFinding:
    """Return the finding about a channel that is stuck."""
    tries = "attempt" if fault.attempts == 1 else f"{fault.attempts} attempts"
    return AlertFinding(
        code=AlertCode.CHANNEL_STUCK,
        severity="critical",
        kind="channel",
        object=fault.name,
        object_id=fault.name,
        message=f"The channel {fault.name} has not accepted a message for {tries}: {fault.why}.",
        next_step=(
            "Check its URL and that its receiver answers; the alert ends with the next message it accepts."
        ),
        since=fault.since,
    )


def heartbeat_finding(fault: ChannelFault) -> AlertFinding:
    """Return the finding about a heartbeat that cannot be sent."""
    return AlertFinding(
        code=AlertCode.HEARTBEAT_NOT_SENT,
        severity="warning",
        kind="channel",
        object=f"heartbeat {fault.name}",
        object_id=f"heartbeat {fault.name}",
        message=f"The heartbeat {fault.name} could not be sent {fault.attempts} times: {fault.why}.",
        next_step="Check its URL, and whether this machine reaches the monitor.",
        since=fault.since,
    )
