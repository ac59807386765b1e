"""What the backend in use cannot do."""

from __future__ import annotations

from collections.abc import Iterator

from cryptomap.errors import RpcError
from cryptomap.ipsec import marking
from cryptomap.ipsec.faults import Judged, complaint_error
from cryptomap.ipsec.scope import Scope
from cryptomap_backend.capabilities import Capabilities
from cryptomap_backend.intent import Intent

__all__ = ["backend_capability"]


def backend_capability(scope: Scope) -> Iterator[RpcError]:
    """The change asks only for what the backend can do. The same judgement as the backend's own prepare, so that a
    validate without a commit says it too. A backend that cannot be asked is judged by its prepare alone."""
    able = scope.capabilities
    if able is None:
        return
    found = list(_judged(scope, able))
    if found:
        intent = Intent.of(filter(None, scope.tunnels.values()), filter(None, scope.responders.values()))
        for item, complaint in found:
            yield complaint_error(scope.schema, item, complaint, intent)


def _judged(scope: Scope, able: Capabilities) -> Iterator[Judged]:
    for tunnel in filter(None, scope.tunnels.values()):
        for complaint in able.complaints(tunnel):
            yield tunnel.id, complaint
    for responder in filter(None, scope.responders.values()):
        for complaint in able.responder_complaints(responder):
            yield responder.id, complaint
    if marking.is_touched(scope.touched) and not marking.is_touched(scope.spoilt):  # the QoS maps are judged as one
        for complaint in able.l2_complaints(marking.read(scope.new)):
            yield None, complaint
