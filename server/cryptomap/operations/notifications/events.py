"""The server's own notifications: what RFC 6470 defines, and the warnings of commits.

Each is sent only if its module is served. What the datastore announces comes on the writer's thread.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Sequence
from typing import Final

from cryptomap.data.build import Plain, build
from cryptomap.data.diff import Change, diff
from cryptomap.data.path import text_of
from cryptomap.data.tree import EntriesTypes, Path
from cryptomap.datastore.events import Committed, ConfirmedCommit, Event, StartupStored, SyncChanged
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import RpcError
from cryptomap.operations.notifications.notifier import Notifier
from cryptomap.operations.redact import finding
from cryptomap.operations.sessions import Ended, Reason, Session
from cryptomap.schema.nodes import Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import TypeFault

__all__ = ["Announcer", "session_end", "session_start"]

log = logging.getLogger(__name__)

MAX_EDITS: Final = 1000
_RFC_6470: Final = "ietf-netconf-notifications"
_SERVER: Final = "cryptomap-server"


class Announcer:
    """Listens to the datastores: logs what happened, and tells those who subscribed."""

    def __init__(self, schema: Schema, notifier: Notifier) -> None:
        self._schema = schema
        self._notifier = notifier

    def __call__(self, event: Event) -> None:
        match event:
            case Committed():
                self._committed(event)
            case StartupStored():
                self._startup_stored(event)
            case ConfirmedCommit():
                self._confirmed_commit(event)
            case SyncChanged():
                self._sync_changed(event)

    def _committed(self, event: Committed) -> None:
        origin, record = event.transition.origin, event.record
        counts = f"{record.created} created, {record.modified} modified, {record.deleted} deleted"
        log.info("commit %d (%s) by %s: %s", record.id, record.kind, _who(origin), counts)
        for warning in event.warnings:
            log.warning("commit %d: %s", record.id, warning)
        if self._notifier.is_heard:
            self._config_change("running", origin, event.transition.changes)
            if event.warnings:
                self._warn(origin, event.warnings)

    def _startup_stored(self, event: StartupStored) -> None:
        log.info("startup stored by %s", _who(event.origin))
        if self._notifier.is_heard:
            self._config_change("startup", event.origin, tuple(diff(event.old, event.new)))

    def _config_change(self, datastore: str, origin: Origin, changes: Sequence[Change]) -> None:
        if _RFC_6470 not in self._schema.namespace_of_module:
            return
        content = {"changed-by": _changed_by(origin), "datastore": datastore, "edit": _edits(self._schema, changes)}
        _send(self._schema, self._notifier, _RFC_6470, "netconf-config-change", content)

    def _warn(self, origin: Origin, warnings: Iterable[RpcError]) -> None:
        content = {
            "username": origin.user,
            "session-id": origin.session_id or None,
            "warning": [finding(self._schema, warning) for warning in warnings],
        }
        _send(self._schema, self._notifier, _SERVER, "commit-warning", content)

    def _confirmed_commit(self, event: ConfirmedCommit) -> None:
        log.info("confirmed commit: %s by %s", event.event, _who(event.origin))
        content: Plain = {
            "confirm-event": event.event,
            "timeout": None if event.timeout is None else round(event.timeout),
        }
        if event.event != "timeout":
            content = {**content, **_parameters(event.origin)}
        _send(self._schema, self._notifier, _RFC_6470, "netconf-confirmed-commit", content)

    def _sync_changed(self, event: SyncChanged) -> None:
        for name, reason in event.out_of_sync.items():
            log.warning("%s does not follow running: %s", name, reason)


def session_start(schema: Schema, notifier: Notifier, session: Session) -> None:
    """A session is ready (RFC 6470, netconf-session-start)."""
    _send(schema, notifier, _RFC_6470, "netconf-session-start", _parameters(session.origin))


def session_end(schema: Schema, notifier: Notifier, session: Session, ended: Ended) -> None:
    """A session has ended (RFC 6470, netconf-session-end)."""
    killed_by = ended.killed_by if ended.reason is Reason.KILLED else None
    content = {**_parameters(session.origin), "killed-by": killed_by, "termination-reason": ended.reason.value}
    _send(schema, notifier, _RFC_6470, "netconf-session-end", content)


def _send(schema: Schema, notifier: Notifier, module: str, name: str, content: Plain) -> None:
    namespace = schema.namespace_of_module.get(module)
    notification = schema.notifications.get(f"{{{namespace}}}{name}")
    if notification is not None and notifier.is_heard:
        notifier.notify(build(notification, content))


# ===== content =====


def _who(origin: Origin) -> str:
    return f"{origin.user} (session {origin.session_id})" if origin.session_id else "the server"


def _parameters(origin: Origin) -> Plain:
    return {"username": origin.user, "session-id": origin.session_id, "source-host": _ip_address(origin.source)}


def _ip_address(text: str) -> str | None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return None
    return text


def _changed_by(origin: Origin) -> Plain:
    """A confirmed commit that nobody confirmed is rolled back by the server, whoever made it."""
    is_own = origin.session_id and origin.kind != "revert"
    return _parameters(origin) if is_own else {"server": True}


def _edits(schema: Schema, changes: Sequence[Change]) -> list[Plain]:
    """One edit for each change, at the topmost node that was created, deleted or changed. So many that nobody would
    read them are told as one merge at each top-level node."""
    if len(changes) > MAX_EDITS:
        tops = dict.fromkeys(change.path[:1] for change in changes)
        found = [_edit(schema, ((path[0][0], None),), "merge") for path in tops]
    else:
        found = [_edit(schema, change.path, _operation(change)) for change in changes]
    return [edit for edit in found if edit is not None]


def _operation(change: Change) -> str:
    if change.old is None:
        return "create"
    if change.new is None:
        return "delete"
    return "merge" if isinstance(change.new, (tuple, *EntriesTypes)) else "replace"


def _edit(schema: Schema, path: Path, operation: str) -> Plain | None:
    """The edit list entry, or ``None`` if an instance-identifier cannot name anything of the path."""
    kind = _target_leaf(schema).type
    while path:
        node, key = path[-1]
        if key is not None or not isinstance(node, (ListNode, LeafList)):
            try:
                return {"target": kind.parse(text_of(path)), "operation": operation}
            except TypeFault:  # a key with both kinds of quotes
                pass
        path, operation = path[:-1], "merge"
    return None


def _target_leaf(schema: Schema) -> Leaf:
    notification = schema.notifications[f"{{{schema.namespace_of_module[_RFC_6470]}}}netconf-config-change"]
    edit = notification.child("edit")
    assert isinstance(edit, ListNode)
    target = edit.child("target")
    assert isinstance(target, Leaf)
    return target
