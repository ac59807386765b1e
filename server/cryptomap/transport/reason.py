"""What went wrong with a socket or file, in the system's words."""

from __future__ import annotations

import os
import socket
import ssl

__all__ = ["reason"]


def reason(error: OSError) -> str:
    """One line. asyncio puts its own words around those of the system, but not around those of a name look-up; OpenSSL
    has numbers of its own."""
    if isinstance(error, ssl.SSLError):
        return f"OpenSSL says {error.reason or error}"
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error) or type(error).__name__
    return os.strerror(error.errno)
