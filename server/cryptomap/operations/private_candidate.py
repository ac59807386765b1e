"""update (draft-ietf-netconf-privcand): what has changed in running comes into the session's private candidate."""

from __future__ import annotations

from typing import Final

from cryptomap.datastore.private_candidates import RESOLUTION_MODES, REVERT_ON_CONFLICT
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.parameters import Parameters

__all__ = ["PRIVATE_CANDIDATE_MODULE", "update"]

PRIVATE_CANDIDATE_MODULE: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-private-candidate"


async def update(call: Call) -> Reply:
    """Raises RpcErrors with each conflict, unless the client says which side to prefer."""
    mode = Parameters(call.element, "resolution-mode").choice("resolution-mode", RESOLUTION_MODES)
    await call.server.writer.run(call.server.datastores.update, call.origin, mode or REVERT_ON_CONFLICT)
    return None
