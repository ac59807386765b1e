"""Who asks, as the operations know it."""

from __future__ import annotations

from collections.abc import Callable

from cryptomap.operations.sessions import Ended, Session
from cryptomap.restconf.login import TRANSPORT
from cryptomap.restconf.messages import Request
from cryptomap.restconf.site import Site

__all__ = ["visitor"]


def _no_end(ended: Ended) -> None:
    """It has nothing that must be ended."""


def visitor(site: Site, request: Request, end: Callable[[Ended], None] = _no_end) -> Session:
    """A session for one request: it holds no locks and ends with the request."""
    server = site.server
    return server.sessions.visitor(request.user, request.address, TRANSPORT, server.timers.time(), end)
