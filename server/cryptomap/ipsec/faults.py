"""What a backend says no with, as rpc-errors. Only this room knows both."""

from __future__ import annotations

from collections.abc import Iterable

from cryptomap.data.tree import Key
from cryptomap.datastore.transaction import OutcomeUnknown
from cryptomap.errors import ErrorPath, OperationFailed, OperationNotSupported, RpcError, RpcErrors
from cryptomap.ipsec.names import CONTEXTS, QOS, Kind, where
from cryptomap.schema.nodes import Schema
from cryptomap_backend import contract
from cryptomap_backend.algorithms import DH_GROUPS, ENCRYPTION, INTEGRITY, PRF
from cryptomap_backend.capabilities import Complaint, Feature
from cryptomap_backend.intent import Child, Ike, Intent, TunnelId

__all__ = ["Judged", "as_rpc_fault", "complaint_error"]

Judged = tuple[TunnelId | tuple[str, str] | None, Complaint]
"""What a backend cannot do, of which tunnel, responder or (``None``) of the QoS maps."""

ALGORITHMS = {*ENCRYPTION, *INTEGRITY, *PRF, *map(str, DH_GROUPS)} - set(Feature)


def as_rpc_fault(schema: Schema, fault: contract.BackendError, intent: Intent) -> Exception:
    """The rpc-error of a backend's fault, or ``OutcomeUnknown``. ``intent`` is what was asked for."""
    if isinstance(fault, contract.OutcomeUnknown):
        return OutcomeUnknown(str(fault))
    if isinstance(fault, contract.Unsupported) and fault.complaints:
        return RpcErrors([complaint_error(schema, item, complaint, intent) for item, complaint in fault.complaints])
    if isinstance(fault, contract.Refused):
        return OperationFailed(f"the backend refuses the change: {fault}", app_tag="backend-refused")
    if isinstance(fault, contract.Unavailable):
        message = f"the backend is not available, so nothing was changed: {fault}. Try again when it is connected"
        return OperationFailed(message, app_tag="backend-unavailable")
    message = f"the backend could not carry out the change: {fault}. It is compared with running now; then try again"
    return OperationFailed(message, app_tag="backend-failed")


def complaint_error(
    schema: Schema, item: TunnelId | tuple[str, str] | None, complaint: Complaint, intent: Intent
) -> RpcError:
    """One thing a backend cannot do; a warning if it carries on without."""
    return OperationNotSupported(
        f"{complaint.message}; configure something else, or use another backend",
        app_tag="unsupported-algorithm" if complaint.feature in ALGORITHMS else "backend-capability",
        path=_path(schema, item, complaint, intent),
        severity="error" if complaint.fatal else "warning",
    )


def _path(schema: Schema, item: TunnelId | tuple[str, str] | None, complaint: Complaint, intent: Intent) -> ErrorPath:
    """The object a complaint is about: a transform set if it names one, else the map or template."""
    if item is None:
        return where(schema, QOS)
    if isinstance(item, TunnelId):
        tunnel = intent.tunnels.get(item)
        ike, children = (tunnel.ike, tunnel.children) if tunnel else (None, ())
        owner: tuple[Kind, Key] = (Kind.MAP, item.crypto_map)
    else:
        responder = next((found for key, found in intent.responders.items() if key == item), None)
        ike, children = (responder.ike, responder.children) if responder else (None, ())
        owner = (Kind.TEMPLATE, responder.template) if responder else (Kind.SERVICE, item[1])
    kind, name = _transform_set(complaint, ike, children) or owner
    return where(schema, f"{CONTEXTS}/{kind}", item[0], name)


def _transform_set(complaint: Complaint, ike: Ike | None, children: Iterable[Child]) -> tuple[Kind, Key] | None:
    """The transform set a complaint names, of which kind: the one that asks for what is missing."""
    name, feature = complaint.item, complaint.feature
    if name is None:
        return None
    for child in children:
        for esp in child.proposals:
            if esp.name == name and feature in (esp.encryption, esp.integrity, str(esp.dh_group), esp.mode):
                return Kind.IPSEC_SET, name
    for proposal in ike.proposals if ike else ():
        if proposal.name == name:
            return Kind.IKE_SET, name
    return None
