"""sd_notify(3): one datagram to systemd, where it listens for one."""

import os
import socket


def notify(state: str) -> None:
    """Send `state` (READY=1, STATUS=..., STOPPING=1, WATCHDOG=1); without systemd do nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
        datagram.connect("\0" + address[1:] if address.startswith("@") else address)
        datagram.sendall(state.encode())
