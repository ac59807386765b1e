"""close-session and kill-session (RFC 6241 sections 7.8 and 7.9)."""

from __future__ import annotations

from cryptomap.errors import InvalidValue
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.parameters import Parameters
from cryptomap.operations.sessions import Ended, Reason

__all__ = ["close_session", "kill_session"]


async def close_session(call: Call) -> Reply:
    """The session ends when the reply has been sent; requests that follow it are not performed. What it held is free
    when the reply comes, so that another session may lock at once."""
    Parameters(call.element)
    call.session.is_closing = True
    await call.server.writer.run(call.server.datastores.close_session, call.session.id)
    return None


async def kill_session(call: Call) -> Reply:
    """End another session. Its locks are free and what it was doing has ended when the reply comes."""
    parameters = Parameters(call.element, "session-id")
    parameters.need("session-id")
    session_id = parameters.number("session-id", low=1)
    if session_id == call.session.id:
        where = [("bad-element", "session-id")]
        raise InvalidValue("a session cannot kill itself: use close-session", error_type="protocol", info=where)
    victim = call.server.sessions.get(session_id or 0)
    victim.end(Ended(Reason.KILLED, f"killed by session {call.session.id}", call.session.id))
    await victim.finished.wait()
    return None
