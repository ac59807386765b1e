"""POST of operations and actions (RFC 8040 sections 3.6, 4.4.2).

They are performed as NETCONF performs them, access control included. Of NETCONF's own operations there are those that
need no session and that no method stands for: commit and what belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml import etree

from cryptomap.data.json import parse_json, read_members
from cryptomap.data.tree import Path
from cryptomap.data.xml import read_inner, write
from cryptomap.errors import InvalidValue, MissingElement
from cryptomap.netconf.messages import BASE
from cryptomap.operations.actions import ACTION
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.dispatch import perform
from cryptomap.operations.registry import OPERATIONS
from cryptomap.operations.server import Server
from cryptomap.operations.with_defaults import AlreadySealed
from cryptomap.restconf.body import parse_xml
from cryptomap.restconf.elements import TRUSTED, add_path, top
from cryptomap.restconf.faults import NotFound
from cryptomap.restconf.media import accepted, content_type
from cryptomap.restconf.messages import XML, Request, Response
from cryptomap.restconf.query import NONE, Query
from cryptomap.restconf.representation import Form
from cryptomap.restconf.resource import Resource
from cryptomap.restconf.site import Site
from cryptomap.restconf.visitor import visitor
from cryptomap.schema.nodes import Operation

__all__ = ["invoke", "invoke_action", "offered"]

_OF_NETCONF: Final = tuple(
    f"{{{BASE}}}{name}" for name in ("commit", "cancel-commit", "discard-changes", "validate", "kill-session")
)


def offered(server: Server) -> Iterator[Operation]:
    """The operations there are."""
    for tag, operation in server.schema.operations.items():
        if tag in _OF_NETCONF or (tag not in OPERATIONS and operation.path in server.handlers):
            yield operation


async def invoke(site: Site, request: Request, resource: Resource) -> Response:
    """Perform an operation."""
    operation = resource.operation
    if operation is None or operation not in offered(site.server):
        raise NotFound("this operation is not offered over HTTP", error_type="protocol")
    form = _form(site, request)
    element = await site.server.aside.run(_input, site, request, operation, ())
    if element.tag == f"{{{BASE}}}commit":
        _require_persist(element)
    return await _performed(site, request, form, operation, element)


async def invoke_action(site: Site, request: Request, resource: Resource) -> Response:
    """Perform an action of an instance."""
    operation = resource.path[-1][0]
    assert isinstance(operation, Operation)
    form = _form(site, request)
    content = await site.server.aside.run(_input, site, request, operation, resource.path)
    element = _around(site, resource.path[:-1], content)
    return await _performed(site, request, form, operation, element)


def _form(site: Site, request: Request) -> Form:
    Query(request.query, NONE)
    return Form(site.server.schema, accepted(request.headers))


async def _performed(
    site: Site, request: Request, form: Form, operation: Operation, element: etree._Element
) -> Response:
    reply = await perform(Call(site.server, visitor(site, request), element))
    if reply is None:
        return Response(204)
    headers = {"content-type": form.media, "cache-control": "no-cache"}
    return Response(200, headers, await site.server.aside.run(_output, form, operation, reply))


def _output(form: Form, operation: Operation, reply: Reply) -> Iterator[bytes]:
    namespace = form.schema.namespace_of_module[operation.module]
    start, end = f'<output xmlns="{namespace}">'.encode(), b"</output>"
    if form.media == XML:
        return iter((start, *(reply or ()), end))
    element = etree.fromstring(b"".join((start, *(reply or ()), end)), TRUSTED)
    node = read_inner(form.schema, operation.output, element, AlreadySealed())
    return form.around("output", namespace, operation.module, node)


def _input(site: Site, request: Request, operation: Operation, path: Path) -> etree._Element:
    """The operation's element with its input. A request without a body has none."""
    namespace = site.server.schema.namespace_of_module[operation.module]
    if not request.body:
        return etree.Element(operation.tag, nsmap={None: namespace})  # type: ignore[dict-item]
    if content_type(request.headers) == XML:
        element = parse_xml(site, request.body)
        if element.tag != f"{{{namespace}}}input":
            raise InvalidValue(f"the body is to be the element input of {namespace}", error_type="protocol")
        element.tag = operation.tag
        return element
    return _from_json(site, request, operation, (*path[:-1], (operation, None)))


def _from_json(site: Site, request: Request, operation: Operation, here: Path) -> etree._Element:
    name = f"{operation.module}:input"
    members = parse_json(request.body)
    if not isinstance(members, dict) or list(members) != [name]:
        raise InvalidValue(f"the body is to be an object with the member {name}", error_type="protocol")
    schema = site.server.schema
    given = read_members(schema, operation.input, members[name], site.server.seal, base=here)
    content = b"".join(write(schema, given))
    namespace = schema.namespace_of_module[operation.module]
    name = operation.name
    return etree.fromstring(f'<{name} xmlns="{namespace}">'.encode() + content + f"</{name}>".encode(), TRUSTED)


def _around(site: Site, path: Path, element: etree._Element) -> etree._Element:
    """The element of NETCONF's action."""
    action = top(site.server.schema, ACTION)
    add_path(site.server.schema, action, path).append(element)
    return action


def _require_persist(element: etree._Element) -> None:
    """A confirmed commit lasts as long as its session unless it has a token, and here no session outlasts it."""
    if element.find(f"{{{BASE}}}confirmed") is not None and element.find(f"{{{BASE}}}persist") is None:
        message = "a confirmed commit needs persist here: no session stays to confirm it"
        raise MissingElement(message, error_type="protocol", info=[("bad-element", "persist")])
