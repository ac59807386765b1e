"""Why an operation on a subscription is refused, as RFC 8640 section 7 has it: the error-tag that goes with an identity
of RFC 8639 or RFC 8641, which is the error-app-tag; and hints at what would be accepted, in the error-info."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from cryptomap.errors import (
    ErrorStructure,
    InvalidValue,
    OperationFailed,
    OperationNotSupported,
    ResourceDenied,
    RpcError,
    TooBig,
)
from cryptomap.schema.nodes import Schema

__all__ = ["SN", "YP", "hinting", "refusal"]

SN: Final = "ietf-subscribed-notifications"
YP: Final = "ietf-yang-push"

_KINDS: Final[Mapping[str, tuple[str, type[RpcError]]]] = {
    "encoding-unsupported": (SN, InvalidValue),
    "filter-unsupported": (SN, InvalidValue),
    "insufficient-resources": (SN, ResourceDenied),
    "no-such-subscription": (SN, InvalidValue),
    "replay-unsupported": (SN, OperationNotSupported),
    "cant-exclude": (YP, OperationNotSupported),
    "datastore-not-subscribable": (YP, InvalidValue),
    "no-such-subscription-resync": (YP, InvalidValue),
    "on-change-unsupported": (YP, OperationNotSupported),
    "on-change-sync-unsupported": (YP, OperationNotSupported),
    "period-unsupported": (YP, InvalidValue),
    "sync-too-big": (YP, TooBig),
    "unchanging-selection": (YP, OperationFailed),
    "update-too-big": (YP, TooBig),
}


def refusal(identity: str, message: str, **hints: str) -> RpcError:
    """The error for an identity by its name. ``hints``: those of the module, with ``_`` for ``-``."""
    module, kind = _KINDS[identity]
    info = [(name.replace("_", "-"), value) for name, value in hints.items()]
    return kind(message, app_tag=f"{module}:{identity}", info=info)


@contextmanager
def hinting(schema: Schema, operation: str, module: str) -> Iterator[None]:
    """Have the hints of a refusal stand in the structure that ``module`` has for them."""
    try:
        yield
    except RpcError as fault:
        reason = fault.app_tag or ""
        if reason.startswith((SN, YP)) and fault.info:
            target = "stream" if module == SN else "datastore"
            name = f"{{{schema.namespace_of_module[module]}}}{operation}-{target}-error-info"
            prefix = reason.partition(":")[0]
            leafs = (("reason", reason), *[(hint, str(value)) for hint, value in fault.info])
            fault.info = ((name, ErrorStructure(leafs, {prefix: schema.namespace_of_module[prefix]})),)
        raise
