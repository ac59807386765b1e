"""POST, PUT, PATCH and DELETE of data (RFC 8040 sections 4.4 to 4.7): each is an edit-config of one instance.

An edit of ``data`` is committed at once, by the same transaction as a commit over NETCONF. An edit of a datastore that
``ds`` names changes that one only (RFC 8527).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

from lxml import etree

from cryptomap.data.edit import edit
from cryptomap.data.path import find, predicates, resource_identifier, to_xpath
from cryptomap.data.tree import Node, Path
from cryptomap.data.tree import Step as PathStep
from cryptomap.data.xml.attributes import NETCONF_NAMESPACE, YANG_NAMESPACE
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import BadElement, InvalidValue, OperationNotSupported
from cryptomap.restconf.body import Sent, read_datastore, read_instance
from cryptomap.restconf.elements import add_instance, add_path, top
from cryptomap.restconf.faults import MethodNotAllowed, NotFound, PreconditionFailed
from cryptomap.restconf.identifiers import parse_api_path
from cryptomap.restconf.media import content_type
from cryptomap.restconf.messages import JSON, XML, Request, Response
from cryptomap.restconf.query import EDIT, NONE, Query
from cryptomap.restconf.resource import Resource
from cryptomap.restconf.retrieve import stamp_headers
from cryptomap.restconf.site import ROOT, Site
from cryptomap.restconf.visitor import visitor
from cryptomap.schema.nodes import Container, LeafList, ListNode, Schema

__all__ = ["Step", "apply", "change", "delete", "patch", "post", "put", "require_writable"]

_OPERATION: Final = f"{{{NETCONF_NAMESPACE}}}operation"


@dataclass(slots=True)
class Step:
    """One edit of one instance: the operation of edit-config, and what it takes. ``point`` is the anchor of ``insert``;
    ``existed`` is known when it has been done."""

    operation: str
    path: Path
    element: etree._Element | None = None
    insert: str | None = None
    point: Path = ()
    must_exist: Path | None = None
    existed: bool = field(default=False)


async def post(site: Site, request: Request, resource: Resource) -> Response:
    """Create a child of a datastore or of an instance; it must not be there yet."""
    query = Query(request.query, EDIT)
    is_xml = content_type(request.headers) == XML
    require_writable(resource)
    sent = await site.server.aside.run(read_instance, site, request.body, resource.path, is_xml=is_xml)
    step = _placed(site, Step("create", sent.path, sent.element, must_exist=resource.path), query)
    headers = await _perform(site, request, resource, step)
    where = f"{ROOT}/{_datastore_path(resource)}{resource_identifier(sent.path)}"
    return Response(201, {"location": where, **headers})


async def put(site: Site, request: Request, resource: Resource) -> Response:
    """Replace an instance, or create it."""
    query = Query(request.query, EDIT)
    is_xml = content_type(request.headers) == XML
    require_writable(resource)
    if not resource.path:
        return await _whole(site, request, resource, is_xml, "replace")
    sent = await site.server.aside.run(_own, site, request, resource, is_xml)
    step = _placed(site, Step("replace", resource.path, sent.element), query)
    headers = await _perform(site, request, resource, step)
    if step.existed:
        return Response(204, headers)
    return Response(201, {"location": request.path, **headers})


async def patch(site: Site, request: Request, resource: Resource) -> Response:
    """Plain patch: merge into an instance that is there."""
    Query(request.query, NONE)
    is_xml = content_type(request.headers) == XML
    require_writable(resource)
    if not resource.path:
        return await _whole(site, request, resource, is_xml, "merge")
    sent = await site.server.aside.run(_own, site, request, resource, is_xml)
    step = Step("merge", resource.path, sent.element, must_exist=resource.path)
    return Response(204, await _perform(site, request, resource, step))


async def delete(site: Site, request: Request, resource: Resource) -> Response:
    """Delete an instance that is there."""
    Query(request.query, NONE)
    require_writable(resource)
    if not resource.path:
        raise MethodNotAllowed("a datastore cannot be deleted", ("OPTIONS", "HEAD", "GET", "POST", "PUT", "PATCH"))
    await _perform(site, request, resource, Step("delete", resource.path, must_exist=resource.path))
    return Response(204)


async def _whole(site: Site, request: Request, resource: Resource, is_xml: bool, operation: str) -> Response:
    """A datastore as the target."""
    element = await site.server.aside.run(read_datastore, site, request.body, is_xml=is_xml)
    schema, seal = site.server.schema, site.server.seal

    def make(old: Node) -> Node:
        return edit(schema, old, element, default_operation=operation, seal=seal)

    return Response(204, await change(site, request, resource, make))


def _own(site: Site, request: Request, resource: Resource, is_xml: bool) -> Sent:
    """The body, which must be the instance that the path names."""
    sent = read_instance(site, request.body, resource.path[:-1], is_xml=is_xml)
    if sent.path != resource.path:
        wanted, found = (resource_identifier(path).rpartition("/")[2] for path in (resource.path, sent.path))
        raise InvalidValue(f"the path names {wanted}, but the body is {found}", error_type="protocol")
    return sent


def _placed(site: Site, step: Step, query: Query) -> Step:
    """The step with what the query says about the place of what is created."""
    step.insert = query.insert
    if step.insert is None:
        return step
    node = step.path[-1][0]
    if not isinstance(node, ListNode | LeafList) or not node.user_ordered:
        raise BadElement(f"{node.name} has no order of its own: leave insert out", error_type="protocol")
    point = query.encoded("point")
    if point is not None:
        step.point = parse_api_path(site.server.schema, query.text("point") or "")
        if step.point[:-1] != step.path[:-1] or step.point[-1][0] is not node or step.point[-1][1] is None:
            raise InvalidValue(f"point names no other {node.name} of the same list", error_type="protocol")
    return step


# ===== doing it =====


async def _perform(site: Site, request: Request, resource: Resource, step: Step) -> Mapping[str, str]:
    return await change(site, request, resource, lambda root: apply(site, root, step), step.path)


async def change(
    site: Site, request: Request, resource: Resource, make: Callable[[Node], Node], path: Path | None = None
) -> Mapping[str, str]:
    """Make a datastore another one, if the request's conditions hold. The headers that tell the version of ``path``
    after that, or of the resource."""
    origin = visitor(site, request).origin
    change = _change_one if resource.datastore else _change_running
    return await site.server.writer.run(change, site, request, resource, origin, make, path)


def _change_one(
    site: Site, request: Request, resource: Resource, origin: Origin, make: Callable[[Node], Node], path: Path | None
) -> Mapping[str, str]:
    site.server.datastores.revise(origin, resource.datastore, make)
    return {}


def _change_running(
    site: Site, request: Request, resource: Resource, origin: Origin, make: Callable[[Node], Node], path: Path | None
) -> Mapping[str, str]:
    """On the writer's thread, so that nobody comes between the condition, the commit and the tag."""
    _require_unchanged(site, request, resource)
    site.server.datastores.change(origin, make)
    media = request.headers.get("content-type", JSON).partition(";")[0]
    return stamp_headers(site.tags.of(resource.path if path is None else path), media)


def _require_unchanged(site: Site, request: Request, resource: Resource) -> None:
    """If-Match, If-None-Match and If-Unmodified-Since (RFC 8040 section 3.4.1; RFC 9110 section 13)."""
    headers = request.headers
    if not {"if-match", "if-none-match", "if-unmodified-since"} & headers.keys():
        return
    stamp = site.tags.of(resource.path)
    there = exists(site.server.datastores.running.root, resource.path)
    if "if-match" in headers:
        holds = there and stamp.is_named_by(headers["if-match"])
    elif "if-none-match" in headers:
        holds = not (there and stamp.is_named_by(headers["if-none-match"]))
    else:
        holds = int(stamp.time) <= _seconds(headers["if-unmodified-since"])
    if not holds:
        path = to_xpath(site.server.schema, resource.path)
        raise PreconditionFailed("it was changed by somebody; get it again", error_type="protocol", path=path)


def _seconds(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        raise InvalidValue(f"'{text[:60]}' is no date of HTTP", error_type="protocol") from None


def apply(site: Site, root: Node, step: Step) -> Node:
    """The configuration after one step. Raises RpcError, RpcErrors."""
    schema = site.server.schema
    is_there = exists if step.operation != "delete" else _is_stored
    if step.must_exist is not None and not is_there(root, step.must_exist):
        node = step.must_exist[-1][0]
        raise NotFound(f"{node.name} does not exist", path=to_xpath(schema, step.must_exist))
    step.existed = exists(root, step.path)
    return edit(schema, root, _document(schema, step), default_operation="none", seal=site.server.seal)


def exists(root: Node, path: Path) -> bool:
    """Whether an instance is there; a container without presence is there if its parent is."""
    if not path or find(root, path) is not None:
        return True
    node = path[-1][0]
    return isinstance(node, Container) and not node.presence and exists(root, path[:-1])


def _is_stored(root: Node, path: Path) -> bool:
    return find(root, path) is not None


def _document(schema: Schema, step: Step) -> etree._Element:
    """The ``config`` element: what the instance stands in, with the keys, and then the instance with its operation."""
    config = top(schema, "config")
    parent = add_path(schema, config, step.path[:-1])
    if step.element is None:
        element = add_instance(schema, parent, step.path[-1])
    else:
        element = step.element
        parent.append(element)
    element.set(_OPERATION, step.operation)
    if step.insert is not None:
        element.set(f"{{{YANG_NAMESPACE}}}insert", step.insert)
    if step.point:
        name, text = _anchor(schema, step.point[-1])
        element.set(f"{{{YANG_NAMESPACE}}}{name}", text)
    return config


def _anchor(schema: Schema, point: PathStep) -> tuple[str, str]:
    """The attribute that names an anchor, and its text (RFC 7950 sections 7.7.9 and 7.8.6)."""
    node, key = point
    prefix_of = schema.prefix_of_module.__getitem__
    if isinstance(node, LeafList):
        return "value", node.type.render(str(key), prefix_of)
    return "key", predicates(node, key, prefix_of)


def require_writable(resource: Resource) -> None:
    if not resource.is_configuration:
        raise OperationNotSupported("this is state: it cannot be edited", error_type="protocol")


def _datastore_path(resource: Resource) -> str:
    return f"ds/ietf-datastores:{resource.datastore}" if resource.datastore else "data"
