"""Entity tags and times of modification of configuration resources (RFC 8040 sections 3.4.1 and 3.5.1).

The tag of a resource is the number of the last commit that changed it or anything in it. A tree of the paths that
commits have touched since the start remembers that; what none has touched has the number of the last commit before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from cryptomap.data.diff import Change
from cryptomap.data.tree import Path, Step
from cryptomap.datastore.events import Committed, Event
from cryptomap.schema.nodes import LeafList, ListNode

__all__ = ["Stamp", "Tags"]

MOST: Final = 100_000
"""Steps of paths that are remembered. Beyond, everything counts as touched now: a tag too new is safe, too old not."""


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """A commit: its id and its time, seconds since the epoch."""

    commit: int
    time: float

    def tag(self, media: str) -> str:
        """As an entity tag. It is a strong one, so each media type has its own (RFC 9110 section 8.8.1)."""
        return f'"{self.commit}-{media.rpartition("+")[2]}"'

    def is_named_by(self, tags: str) -> bool:
        """Whether a list of entity tags (If-Match, If-None-Match) has one of this stamp, whatever its media type."""
        names = [item.strip().removeprefix("W/").strip('"').partition("-")[0] for item in tags.split(",")]
        return str(self.commit) in names or tags.strip() == "*"


_Branches: TypeAlias = "dict[Step, _Touched]"


@dataclass(slots=True)
class _Touched:
    """A place: when it or something in it was changed last, and when it came, went or was replaced as a whole."""

    last: Stamp
    whole: Stamp | None = None
    below: _Branches = field(default_factory=dict)


class Tags:
    """Told of commits on the writer's thread, asked on any. ``first``: the last commit there was before."""

    def __init__(self, first: Stamp) -> None:
        self._first = first
        self._root = _Touched(first)
        self._count = 0

    def hear(self, event: Event) -> None:
        """A listener of the datastores."""
        if isinstance(event, Committed):
            self.touch(Stamp(event.record.id, event.record.time), event.transition.changes)

    def touch(self, stamp: Stamp, changes: tuple[Change, ...]) -> None:
        """A commit changed this."""
        self._count += sum(len(change.path) for change in changes)
        if self._count > MOST:
            self._first, self._root, self._count = stamp, _Touched(stamp), 0
            return
        for change in changes:
            place = self._root
            for step in change.path:
                place.last = stamp
                place = place.below.setdefault(step, _Touched(stamp))
            place.last = place.whole = stamp
            place.below = {}

    def of(self, path: Path) -> Stamp:
        """The stamp of an instance."""
        return max(self._along(_remembered(path)))

    def _along(self, path: Path) -> Iterator[Stamp]:
        """When what the instance stands in was changed as a whole; at last when it, or anything in it, was changed."""
        yield self._first
        place = self._root
        for step in path:
            if place.whole is not None:
                yield place.whole
            found = place.below.get(step)
            if found is None:
                return
            place = found
        yield place.last


def _remembered(path: Path) -> Path:
    """The place that knows: a list as a whole changes with what it stands in, a value with its leaf-list."""
    if not path:
        return path
    node, key = path[-1]
    if isinstance(node, ListNode) and key is None:
        return path[:-1]
    return (*path[:-1], (node, None)) if isinstance(node, LeafList) else path
