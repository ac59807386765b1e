"""Candidates that belong to one session each (draft-ietf-netconf-privcand).

Such a candidate is a branch of running: it grows out of running when its session first looks at it, and takes in what
has changed in running since when it is updated, which a commit does first. Both are references to immutable trees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from cryptomap.data.merge import Conflict, merge
from cryptomap.data.path import to_xpath
from cryptomap.data.tree import Node, Value
from cryptomap.datastore.events import Committed, Event
from cryptomap.errors import OperationFailed, OperationNotSupported, RpcError, RpcErrors
from cryptomap.schema.nodes import DataNode, Leaf, LeafList, Schema

__all__ = ["PREFER_CANDIDATE", "PREFER_RUNNING", "RESOLUTION_MODES", "REVERT_ON_CONFLICT", "PrivateCandidates"]

REVERT_ON_CONFLICT: Final = "revert-on-conflict"
PREFER_CANDIDATE: Final = "prefer-candidate"
PREFER_RUNNING: Final = "prefer-running"
RESOLUTION_MODES: Final = (REVERT_ON_CONFLICT, PREFER_CANDIDATE, PREFER_RUNNING)

MAX_CONFLICTS: Final = 100
_UNDONE: Final = ("cancel", "revert")  # the kinds of commit that undo a confirmed commit


@dataclass(frozen=True, slots=True)
class Branch:
    """A private candidate. ``base``: running when it was branched or last updated. ``is_proposed``: its base is a
    confirmed commit of this session."""

    base: Node
    root: Node
    is_proposed: bool = False


class PrivateCandidates:
    """The private candidates by session. ``running`` answers what running is now.

    Sessions come on the event loop and look at their candidates there; all else happens on the writer's thread. A
    session waits for its own operations, so that the two never touch the same branch at once."""

    def __init__(self, schema: Schema, running: Callable[[], Node]) -> None:
        self._schema = schema
        self._running = running
        self._branches: dict[int, Branch | None] = {}

    def open(self, session_id: int) -> None:
        """From now on the session's candidate is its own."""
        self._branches[session_id] = None

    def close(self, session_id: int) -> None:
        """The session has ended, and its candidate with it."""
        self._branches.pop(session_id, None)

    def __contains__(self, session_id: int) -> bool:
        return session_id in self._branches

    def root(self, session_id: int) -> Node:
        """The candidate of a session that has one."""
        return self._branch(session_id).root

    def edit(self, session_id: int, root: Node) -> None:
        """Replace the candidate."""
        self._branches[session_id] = replace(self._branch(session_id), root=root)

    def discard(self, session_id: int) -> None:
        """Back to what it was when it was branched or last updated, which may not be running as it is now."""
        branch = self._branch(session_id)
        self._branches[session_id] = replace(branch, root=branch.base)

    def update(self, session_id: int, resolution_mode: str = REVERT_ON_CONFLICT) -> None:
        """Take in what has changed in running. Raises OperationNotSupported if the session works on the shared
        candidate, RpcErrors with each conflict if the mode is to revert, and then changes nothing."""
        if session_id not in self._branches:
            message = "this session works on the shared candidate: a client that wants its own says so in its hello"
            raise OperationNotSupported(message, error_type="protocol", info=[("bad-element", "update")])
        self._branches[session_id] = self.updated(session_id, resolution_mode)

    def updated(self, session_id: int, resolution_mode: str = REVERT_ON_CONFLICT) -> Branch:
        """What an update would make of a session's candidate. Raises RpcErrors."""
        branch, running = self._branch(session_id), self._running()
        if branch.base is running:
            return branch
        prefer_running = resolution_mode == PREFER_RUNNING
        root, conflicts = merge(branch.base, branch.root, running, prefer_theirs=prefer_running)
        if conflicts and resolution_mode == REVERT_ON_CONFLICT:
            raise RpcErrors([self._error(conflict) for conflict in conflicts[:MAX_CONFLICTS]])
        return Branch(running, root)

    def committed(self, session_id: int, *, is_proposed: bool) -> None:
        """The candidate has become running, for good or (``is_proposed``) until it is confirmed."""
        running = self._running()
        self._branches[session_id] = Branch(running, running, is_proposed)

    def notice(self, event: Event) -> None:
        """When a confirmed commit is undone, what it proposed is back in the candidate it came from (section
        4.8.2.10.1 of the draft)."""
        if not isinstance(event, Committed) or event.transition.origin.kind not in _UNDONE:
            return
        old, new = event.transition.old.root, event.transition.new.root
        for session_id, branch in list(self._branches.items()):
            if branch is not None and branch.is_proposed and branch.base is old:
                self._branches[session_id] = Branch(new, branch.root)

    def _branch(self, session_id: int) -> Branch:
        branch = self._branches[session_id]
        if branch is None:
            running = self._running()
            self._branches[session_id] = branch = Branch(running, running)
        return branch

    def _error(self, conflict: Conflict) -> RpcError:
        node = conflict.path[-1][0]
        ours, theirs = _shown(node, conflict.sides.ours), _shown(node, conflict.sides.theirs)
        return OperationFailed(
            f"running has changed here as well: {theirs} there, {ours} in this candidate; change the candidate, or "
            f"update it with {PREFER_CANDIDATE} or {PREFER_RUNNING}",
            app_tag="conflict",
            path=to_xpath(self._schema, conflict.path),
        )


def _shown(node: DataNode, value: Value | None) -> str:
    """A value in a few words."""
    if value is None:
        return "nothing"
    if not isinstance(node, Leaf | LeafList) or node.secret:
        return "something else"
    return ", ".join(map(repr, value if isinstance(value, tuple) else (value,)))
