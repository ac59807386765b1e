"""Errors over HTTP: the status of each error-tag, and the ``errors`` resource (RFC 8040 sections 3.9 and 7)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from cryptomap.data.path import parse_instance_identifier, text_of
from cryptomap.errors import ErrorPath, Info, InvalidValue, OperationFailed, OperationNotSupported, RpcError
from cryptomap.netconf.messages import error_fields
from cryptomap.operations.redact import module_path
from cryptomap.restconf.messages import JSON, RESTCONF, XML, Response
from cryptomap.schema.nodes import Schema
from cryptomap.schema.types import TypeFault

__all__ = [
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "PreconditionFailed",
    "UnsupportedMediaType",
    "errors_json",
    "errors_xml",
    "refusal",
    "status_of",
]

_STATUS: Final[Mapping[str, int]] = {
    "in-use": 409,
    "lock-denied": 409,
    "resource-denied": 409,
    "data-exists": 409,
    "data-missing": 409,
    "access-denied": 403,
    "too-big": 413,
    "operation-not-supported": 501,
    "operation-failed": 500,
    "rollback-failed": 500,
}
"""All other tags are 400 (RFC 8040 section 7). ``operation-failed`` is 412 for what the client can mend."""


class NotFound(InvalidValue):
    """There is no such resource."""

    status: ClassVar = 404


class NotAcceptable(InvalidValue):
    """The client takes none of what can be given."""

    status: ClassVar = 406


class UnsupportedMediaType(InvalidValue):
    """The body is of a media type that is not read here."""

    status: ClassVar = 415


class MethodNotAllowed(OperationNotSupported):
    """The resource has no such method; ``allow`` are those it has."""

    status: ClassVar = 405

    def __init__(self, message: str, allow: Iterable[str]) -> None:
        super().__init__(message, error_type="protocol")
        self.allow = tuple(allow)


class PreconditionFailed(OperationFailed):
    """The resource is not any more what the client has seen."""

    status: ClassVar = 412


def status_of(error: RpcError) -> int:
    """The HTTP status of an error."""
    found = getattr(error, "status", None)
    if isinstance(found, int):
        return found
    if error.tag == "operation-failed" and (error.app_tag or error.path):
        return 412  # a constraint or a commit rule: another request can satisfy it
    return _STATUS.get(error.tag, 400)


def refusal(schema: Schema, errors: Iterable[RpcError], media: str) -> Response:
    """The response that says what is wrong; its status is that of the first error."""
    found = tuple(errors)
    members = {"ietf-restconf:errors": errors_json(schema, found)}
    content = errors_xml(found) if media == XML else json.dumps(members).encode()
    headers = {"content-type": XML if media == XML else JSON, "cache-control": "no-cache"}
    first = found[0]
    if isinstance(first, MethodNotAllowed):
        headers["allow"] = ", ".join(first.allow)
    return Response(status_of(first), headers, (content,))


def errors_xml(errors: Iterable[RpcError], namespace: str = RESTCONF) -> bytes:
    """The ``errors`` element."""
    written = "".join(f"<error>{error_fields(error)}</error>" for error in errors)
    return f'<errors xmlns="{namespace}">{written}</errors>'.encode()


def errors_json(schema: Schema, errors: Iterable[RpcError]) -> dict[str, Any]:
    """What is in it, as JSON."""
    return {"error": [_error_json(schema, error) for error in errors]}


def _error_json(schema: Schema, error: RpcError) -> dict[str, Any]:
    found: dict[str, Any] = {"error-type": error.error_type, "error-tag": error.tag}
    if error.app_tag:
        found["error-app-tag"] = error.app_tag
    if error.path is not None:
        found["error-path"] = _path_json(schema, error.path)
    found["error-message"] = error.message
    if error.info:
        found["error-info"] = {_info_name(schema, name): _info_text(schema, text) for name, text in error.info}
    return found


def _path_json(schema: Schema, path: ErrorPath) -> str:
    """As an instance-identifier in JSON (RFC 7951 section 6.11)."""
    text = module_path(schema, path)
    try:
        return text_of(parse_instance_identifier(schema, text))
    except TypeFault:
        return text


def _info_name(schema: Schema, name: str) -> str:
    namespace, _, local = name.removeprefix("{").rpartition("}")
    module = schema.module_of_namespace.get(namespace, "")
    return f"{module}:{local}" if module else local


def _info_text(schema: Schema, value: Info) -> str:
    return _path_json(schema, value) if isinstance(value, ErrorPath) else str(value)
