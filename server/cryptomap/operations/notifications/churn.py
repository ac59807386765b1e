"""What an on-change subscription has told, and what has changed since, changed back or not (RFC 8641 section 3.3)."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace

from cryptomap.data.diff import Change, diff
from cryptomap.data.path import find
from cryptomap.data.tree import Node, Path

__all__ = ["Seen"]


class Seen:
    """What the subscriber knows, and the last change of each instance that was seen while nothing could be told."""

    def __init__(self, told: Node) -> None:
        self._told = self._looked_at = told
        self._last: dict[Path, Change] = {}

    def look(self, content: Node) -> None:
        """Remember what is another since the last look."""
        self._last |= {change.path: change for change in diff(self._looked_at, content)}
        self._looked_at = content

    def changes(self, content: Node) -> list[Change]:
        """From what was told to ``content``, and the last changes of those instances that are as they were again."""
        net = diff(self._told, content)
        if not self._last:
            return net
        self.look(content)
        has_changed = {change.path for change in net}
        undone = {
            path: _now(change, content)
            for path, change in self._last.items()
            if path not in has_changed and not _is_inside(path, has_changed) and not _is_inside(path, self._last)
        }
        return [*(change for change in net if not _is_inside(change.path, undone)), *undone.values()]


def _is_inside(path: Path, paths: Container[Path]) -> bool:
    return any(above in paths for above in _above(path))


def _above(path: Path) -> Iterator[Path]:
    return (path[:length] for length in range(1, len(path)))


def _now(change: Change, content: Node) -> Change:
    """What came back, with what is in it now."""
    return replace(change, new=find(content, change.path)) if isinstance(change.new, Node) else change
