"""What a service of Type=notify tells systemd (sd_notify(3)): one datagram to the socket named in the environment.

It is of our own, because the package sdnotify was last touched in 2017 and systemd-python needs a compiler.
"""

from __future__ import annotations

import logging
import os
import socket

__all__ = ["notify"]

log = logging.getLogger(__name__)


def notify(*assignments: str) -> bool:
    """Send assignments such as ``READY=1``. False if nobody has asked for them, or cannot be reached (it is logged)."""
    name = os.environ.get("NOTIFY_SOCKET")
    if not name:
        return False
    address = "\0" + name[1:] if name.startswith("@") else name  # an abstract socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto("\n".join(assignments).encode(), address)
    except OSError as fault:
        log.warning("systemd cannot be told %s: %s", " ".join(assignments), fault)
        return False
    return True
