"""lock and unlock (RFC 6241 sections 7.5 and 7.6)."""

from __future__ import annotations

from cryptomap.operations.call import Call, Reply
from cryptomap.operations.parameters import Parameters

__all__ = ["lock", "unlock"]


async def lock(call: Call) -> Reply:
    """Raises LockDenied with the session that holds the lock."""
    target = Parameters(call.element, "target").datastore("target")
    await call.server.writer.run(call.server.datastores.lock, call.session.id, target)
    return None


async def unlock(call: Call) -> Reply:
    """Raises OperationFailed unless this session holds the lock."""
    target = Parameters(call.element, "target").datastore("target")
    await call.server.writer.run(call.server.datastores.unlock, call.session.id, target)
    return None
