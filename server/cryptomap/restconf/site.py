"""What all requests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptomap.netconf.parser import ParserLimits
from cryptomap.operations.server import Server
from cryptomap.restconf.tags import Stamp, Tags

__all__ = ["ROOT", "Site"]

ROOT: Final = "/restconf"
"""Where the API is; host-meta says so (RFC 8040 section 3.1)."""


@dataclass(frozen=True, slots=True)
class Site:
    """A server as RESTCONF shows it. ``body`` limits what clients send, ``most_streams`` how many event streams there
    are at once; ``streams`` are those there are, each with what ends it."""

    server: Server
    tags: Tags
    body: ParserLimits
    most_streams: int = 256
    streams: dict[object, Callable[[], None]] = field(default_factory=dict)

    @classmethod
    def of(cls, server: Server, body: ParserLimits | None = None, most_streams: int = 256) -> Site:
        """Call it before the datastores take commits from sessions; it listens to them from now on."""
        datastores = server.datastores
        last = datastores.history(1)
        tags = Tags(Stamp(last[0].id, last[0].time) if last else Stamp(0, server.start_time))
        datastores.subscribe(tags.hear)
        return cls(server, tags, body or ParserLimits(size=64 * 2**20), most_streams)

    def stop(self) -> None:
        """End the event streams."""
        for end in list(self.streams.values()):
            end()
