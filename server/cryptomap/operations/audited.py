"""What sessions do, as the record of the server has it. No value of a configuration is in it, and so no secret."""

from __future__ import annotations

from typing import Final

from cryptomap.audit import Deed, Outcome
from cryptomap.datastore.events import Committed, ConfirmedCommit, Event
from cryptomap.datastore.history import Record
from cryptomap.errors import RpcErrors
from cryptomap.operations.call import Call
from cryptomap.operations.parameters import local_name
from cryptomap.operations.sessions import Ended, Session

__all__ = ["UNRECORDED", "commit_deed", "deed_of", "deeds_of", "session_begun", "session_ended", "session_refused"]

UNRECORDED: Final = frozenset({"get", "get-config", "get-data", "get-schema", "close-session"})
"""Operations that only read, and that come by the thousand: recorded when they are refused."""

_ADDRESSED: Final = ("target", "datastore", "source")
_DENIED: Final = "access-denied"


def deed_of(call: Call, faults: RpcErrors | None = None) -> Deed:
    """An operation that was performed, or refused for these reasons."""
    session = call.session
    outcome, detail = Outcome.OK, _addressed(call)
    if faults is not None:
        is_denied = any(error.tag == _DENIED for error in faults.errors)
        outcome = Outcome.DENIED if is_denied else Outcome.FAILED
        detail = "; ".join(part for part in (detail, str(faults.errors[0])) if part)
    return Deed("rpc", local_name(call.element), outcome, session.user, session.address, session.id, detail)


def _addressed(call: Call) -> str:
    """The datastore an operation is about, or the action that is called."""
    for child in call.element:
        if isinstance(child.tag, str) and local_name(child) in _ADDRESSED:
            return next((local_name(inner) for inner in child if isinstance(inner.tag, str)), child.text or "")
    if local_name(call.element) == "action":
        return "/".join(local_name(item) for item in call.element.iterdescendants() if isinstance(item.tag, str))
    return ""


def session_begun(session: Session) -> Deed:
    return Deed("session", "begin", Outcome.OK, session.user, session.address, session.id, session.transport)


def session_ended(session: Session, ended: Ended) -> Deed:
    detail = f"{ended.reason}: {ended.text}" if ended.text else ended.reason.value
    return Deed("session", "end", Outcome.OK, session.user, session.address, session.id, detail)


def session_refused(user: str, address: str, reason: str) -> Deed:
    return Deed("session", "begin", Outcome.FAILED, user, address, detail=reason)


def deeds_of(event: Event) -> list[Deed]:
    """What the datastores announce, as far as somebody has done it."""
    match event:
        case Committed():
            return [commit_deed(event.record)]
        case ConfirmedCommit():
            origin = event.origin
            operation = f"confirmed-commit-{event.event}"
            return [Deed("commit", operation, Outcome.OK, origin.user, origin.source, origin.session_id)]
    return []


def commit_deed(record: Record, detail: str = "") -> Deed:
    """Running has changed."""
    counts = f"{record.created} created, {record.modified} modified, {record.deleted} deleted"
    return Deed(
        "commit",
        record.kind,
        Outcome.OK,
        record.user,
        record.source,
        record.session_id,
        f"{counts}; {detail}" if detail else counts,
        record.id,
        record.digest,
    )
