"""Everything that can go wrong on the wire: RFC 6241 ``rpc-error``, one class per error-tag.

Raise an :class:`RpcError` anywhere; only ``operations.dispatch`` catches it and renders it. Several violations of one
request travel together in :class:`RpcErrors`. Any other exception that reaches dispatch is a bug: it is logged with
its traceback and answered as ``operation-failed`` without its text, so that nothing internal leaks to a client.

The texts are written for the operator: what is wrong, where (``path``), and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

__all__ = [
    "AccessDenied",
    "BadAttribute",
    "BadElement",
    "DataExists",
    "DataMissing",
    "ErrorPath",
    "ErrorStructure",
    "InUse",
    "Info",
    "InvalidValue",
    "LockDenied",
    "MalformedMessage",
    "MissingAttribute",
    "MissingElement",
    "OperationFailed",
    "OperationNotSupported",
    "ResourceDenied",
    "RollbackFailed",
    "RpcError",
    "RpcErrors",
    "TooBig",
    "UnknownAttribute",
    "UnknownElement",
    "UnknownNamespace",
]


@dataclass(frozen=True, slots=True)
class ErrorPath:
    """A key-qualified instance path: XPath text plus the prefix -> namespace bindings it uses (RFC 6241 error-path)."""

    text: str
    namespaces: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class ErrorStructure:
    """A container in ``error-info``: its leafs, which are of its own namespace, and the prefixes their values use."""

    leafs: tuple[tuple[str, str], ...]
    namespaces: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.leafs)


Info: TypeAlias = str | ErrorPath | ErrorStructure


class RpcError(Exception):
    """One ``rpc-error`` (RFC 6241 section 4.3 and appendix A).

    ``error_type`` is transport | rpc | protocol | application; ``info`` holds (name, text) pairs for ``error-info``,
    where a name without ``{namespace}`` belongs to the NETCONF base namespace. A text that is an instance path is given
    as :class:`ErrorPath`, a container as :class:`ErrorStructure`. ``mentions`` are the instances besides the one at
    ``path`` that the message tells something about: whoever may not read one of them is not shown it.
    """

    tag: ClassVar[str] = "operation-failed"

    def __init__(
        self,
        message: str,
        *,
        error_type: str = "application",
        path: ErrorPath | None = None,
        app_tag: str | None = None,
        info: Iterable[tuple[str, Info]] = (),
        severity: str = "error",
        mentions: Iterable[ErrorPath] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
        self.path = path
        self.app_tag = app_tag
        self.info = tuple(info)
        self.severity = severity
        self.mentions = tuple(mentions)

    def __str__(self) -> str:
        where = f" at {self.path}" if self.path else ""
        return f"{self.tag}: {self.message}{where}"


class RpcErrors(Exception):
    """Several rpc-errors that answer one request; never empty."""

    def __init__(self, errors: Iterable[RpcError]) -> None:
        self.errors = tuple(errors)
        if not self.errors:
            raise ValueError("RpcErrors needs at least one error")
        super().__init__("; ".join(str(error) for error in self.errors))


class InUse(RpcError):
    tag = "in-use"


class InvalidValue(RpcError):
    tag = "invalid-value"


class TooBig(RpcError):
    tag = "too-big"


class MissingAttribute(RpcError):
    tag = "missing-attribute"


class BadAttribute(RpcError):
    tag = "bad-attribute"


class UnknownAttribute(RpcError):
    tag = "unknown-attribute"


class MissingElement(RpcError):
    tag = "missing-element"


class BadElement(RpcError):
    tag = "bad-element"


class UnknownElement(RpcError):
    tag = "unknown-element"


class UnknownNamespace(RpcError):
    tag = "unknown-namespace"


class AccessDenied(RpcError):
    tag = "access-denied"


class LockDenied(RpcError):
    tag = "lock-denied"


class ResourceDenied(RpcError):
    tag = "resource-denied"


class RollbackFailed(RpcError):
    tag = "rollback-failed"


class DataExists(RpcError):
    tag = "data-exists"


class DataMissing(RpcError):
    tag = "data-missing"


class OperationNotSupported(RpcError):
    tag = "operation-not-supported"


class OperationFailed(RpcError):
    tag = "operation-failed"


class MalformedMessage(RpcError):
    """Only for base:1.1 peers; a base:1.0 session is closed instead (RFC 6241 appendix A)."""

    tag = "malformed-message"
