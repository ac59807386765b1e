"""From a request to its response; the one place where errors become an ``errors`` resource."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from cryptomap.audit import Deed, Outcome
from cryptomap.errors import AccessDenied, OperationFailed, RpcError, RpcErrors, TooBig
from cryptomap.operations.redact import redacted
from cryptomap.restconf import api, edit, events, invoke, patch, retrieve
from cryptomap.restconf.faults import MethodNotAllowed, NotAcceptable, refusal
from cryptomap.restconf.media import DATA, PATCH, accepted
from cryptomap.restconf.messages import JSON, Request, Response
from cryptomap.restconf.resource import Kind, Resource, resource_of
from cryptomap.restconf.site import Site

__all__ = ["handle"]

log = logging.getLogger(__name__)

Method: TypeAlias = Callable[[Site, Request, Resource], Awaitable[Response]]


async def _patch(site: Site, request: Request, resource: Resource) -> Response:
    """By the media type of the body: a YANG patch, or a plain one."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return await (patch.yang_patch if media in PATCH else edit.patch)(site, request, resource)


_STATE: Final[Mapping[str, Method]] = {"GET": retrieve.get}
_METHODS: Final[Mapping[Kind, Mapping[str, Method]]] = {
    Kind.API: {"GET": api.api},
    Kind.LIBRARY_VERSION: {"GET": api.library_version},
    Kind.OPERATIONS: {"GET": api.operations},
    Kind.OPERATION: {"POST": invoke.invoke},
    Kind.ACTION: {"POST": invoke.invoke_action},
    Kind.STREAM: {"GET": events.stream},
    Kind.DATA: {"GET": retrieve.get, "POST": edit.post, "PUT": edit.put, "PATCH": _patch, "DELETE": edit.delete},
}
"""HEAD goes with GET, and OPTIONS with all."""
_SAFE: Final = ("get", "head", "options")
_KNOWN: Final = frozenset({"HEAD", "OPTIONS", *(name for methods in _METHODS.values() for name in methods)})


async def handle(site: Site, request: Request) -> Response:
    """Answer a request. Raises nothing: a bug is logged and answered as operation-failed."""
    began = time.perf_counter()
    found = await _try(site, request)
    name = request.method.lower() if request.method in _KNOWN else "unknown"
    tag = found.errors[0].tag if isinstance(found, RpcErrors) else ""
    site.server.performed(f"restconf-{name}", time.perf_counter() - began, tag)
    if isinstance(found, Response):
        return found
    log.info("%s %s by %s refused: %s", request.method, request.path, request.user, found)
    if tag == AccessDenied.tag or name not in _SAFE:
        outcome = Outcome.DENIED if tag == AccessDenied.tag else Outcome.FAILED
        _record(site, request, name, outcome, f"{request.path}: {found.errors[0]}")
    schema = site.server.schema
    errors = redacted(schema, site.server.access.reader(request.user), found).errors
    return refusal(schema, errors, _media(request))


def _record(site: Site, request: Request, name: str, outcome: Outcome, detail: str) -> None:
    site.server.witness(Deed("rpc", f"restconf-{name}", outcome, request.user, request.address, detail=detail))


async def _try(site: Site, request: Request) -> Response | RpcErrors:
    try:
        return await _answer(site, request)
    except RpcErrors as faults:
        return faults
    except RpcError as error:
        return RpcErrors([error])
    except Exception:
        log.exception("%s %s by %s failed by a bug", request.method, request.path, request.user)
        return RpcErrors([OperationFailed("internal error, see the log of the server")])


async def _answer(site: Site, request: Request) -> Response:
    if len(request.body) > site.body.size:
        raise TooBig(f"the body is larger than {site.body.size} bytes", error_type="protocol")
    resource = resource_of(site.server, request.path)
    methods = _METHODS[resource.kind]
    if resource.kind is Kind.DATA and not resource.is_configuration:
        methods = _STATE
    if request.method == "OPTIONS":
        return _options(methods)
    method = methods.get("GET" if request.method == "HEAD" else request.method)
    if method is None:
        allow = _allowed(methods)
        raise MethodNotAllowed(f"{request.method[:20]} is not for this; there are {', '.join(allow)}", allow)
    response = await method(site, request, resource)
    if request.method.lower() not in _SAFE and resource.operation is None and resource.kind is not Kind.ACTION:
        # operations and actions are recorded where they are performed
        _record(site, request, request.method.lower(), Outcome.OK, request.path)
    if request.method == "HEAD":
        return Response(response.status, response.headers)
    body = response.body
    if isinstance(body, AsyncIterator | tuple):
        return response
    return replace(response, body=site.server.aside.slices(body))


def _options(methods: Mapping[str, Method]) -> Response:
    headers = {"allow": ", ".join(_allowed(methods))}
    if "PATCH" in methods:
        headers["accept-patch"] = ", ".join((*DATA, *PATCH))
    return Response(200, headers)


def _allowed(methods: Mapping[str, Method]) -> tuple[str, ...]:
    return ("OPTIONS", *(["HEAD"] if "GET" in methods else []), *methods)


def _media(request: Request) -> str:
    """What errors are written in, also for a client that takes neither."""
    try:
        return accepted(request.headers)
    except NotAcceptable:
        return JSON
