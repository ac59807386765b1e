"""The page that Prometheus scrapes, for whoever may read the state of the device."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from cryptomap.errors import AccessDenied
from cryptomap.metrics.circumstances import Circumstances, Drift, Tunnels
from cryptomap.operations.server import Server
from cryptomap.schema.nodes import DataNode

__all__ = ["CONTENT_TYPE", "Page"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
CONTEXTS = "/cryptomap-context:contexts"


class Page:
    """``registry`` has what was counted so far; ``about``: the schema path that its readers must be allowed to read."""

    def __init__(
        self, registry: CollectorRegistry, server: Server, tunnels: Tunnels, drift: Drift, about: str = CONTEXTS
    ) -> None:
        self._registry = registry
        self._server = server
        self._about: DataNode = server.schema.find(about)
        registry.register(Circumstances(server, tunnels, drift))

    async def read(self, user: str) -> bytes:
        """The text for a user. Raises AccessDenied. Made on a thread of its own: 10,000 tunnels are megabytes."""
        node = self._about
        reader = self._server.access.reader(user)
        if not reader.sees(((node, None),)) or (reader.hide is not None and reader.hide(node)):
            raise AccessDenied("the metrics are for who may read all contexts")
        return await asyncio.to_thread(generate_latest, self._registry)
