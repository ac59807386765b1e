"""Why an operation on a subscription is refused, as RFC 8640 section 7 has it: the error-tag that goes with an identity
of RFC 8639 or RFC 8641, which is the error-app-tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptomap.errors import InvalidValue, OperationFailed, OperationNotSupported, ResourceDenied, RpcError, TooBig

__all__ = ["SN", "YP", "refusal"]

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


def refusal(identity: str, message: str) -> RpcError:
    """The error for an identity by its name."""
    module, kind = _KINDS[identity]
    return kind(message, app_tag=f"{module}:{identity}")
