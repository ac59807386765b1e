"""GET and HEAD of data (RFC 8040 sections 4.2 and 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import formatdate, parsedate_to_datetime

from cryptomap.data.filter import fields_of
from cryptomap.data.path import to_xpath
from cryptomap.data.tree import EntriesTypes, Key, LazyEntries, Node, Path, Value
from cryptomap.data.view import View
from cryptomap.errors import InvalidValue
from cryptomap.operations.aside import begun
from cryptomap.operations.nmda import view_of
from cryptomap.operations.sift import sift, state_hidden, state_only
from cryptomap.operations.with_defaults import shows_unset
from cryptomap.restconf.faults import NotFound
from cryptomap.restconf.fields import parse_fields
from cryptomap.restconf.media import accepted
from cryptomap.restconf.messages import Request, Response
from cryptomap.restconf.query import RETRIEVE, Query
from cryptomap.restconf.representation import Form
from cryptomap.restconf.resource import Resource
from cryptomap.restconf.site import Site
from cryptomap.restconf.tags import Stamp
from cryptomap.schema.nodes import Container, DataNode, InnerNode, ListNode

__all__ = ["get", "stamp_headers"]


async def get(site: Site, request: Request, resource: Resource) -> Response:
    """The instance with what is in it; state is asked for while the response is sent."""
    return await site.server.aside.read(_get, site, request, resource)


def _get(site: Site, request: Request, resource: Resource) -> Response:
    query = Query(request.query, RETRIEVE)
    form = Form(site.server.schema, accepted(request.headers), query.with_defaults)
    headers = {"content-type": form.media, "cache-control": "no-cache", "vary": "Accept, Authorization"}
    if resource.is_configuration and not resource.datastore:
        stamp = site.tags.of(resource.path)  # before the data is looked at: it may be newer than its tag, not older
        headers |= stamp_headers(stamp, form.media)
        if _is_known(request.headers, stamp):
            return Response(304, headers)
    view = _view(site, request, resource, query)
    if not resource.path:
        return Response(200, headers, begun(form.datastore(_whole(view, query))))
    value = _instance(view, resource.path, query)
    if value is None:
        raise _missing(view, resource.path)
    return Response(200, headers, begun(form.instance(resource.path, value)))


def stamp_headers(stamp: Stamp, media: str) -> Mapping[str, str]:
    return {"etag": stamp.tag(media), "last-modified": formatdate(stamp.time, usegmt=True)}


def _is_known(headers: Mapping[str, str], stamp: Stamp) -> bool:
    """Whether the client has it already (RFC 9110 sections 13.1.2 and 13.1.3)."""
    if "if-none-match" in headers:
        return stamp.is_named_by(headers["if-none-match"])
    try:
        since = parsedate_to_datetime(headers["if-modified-since"]).timestamp()
    except (KeyError, ValueError):
        return False
    return int(stamp.time) <= since


def _view(site: Site, request: Request, resource: Resource, query: Query) -> View:
    server = site.server
    reader = server.access.reader(request.user)
    hide = state_hidden(reader.hide) if query.content == "config" else reader.hide
    return view_of(
        server,
        resource.datastore or "operational",
        reader,
        hide,
        defaults=shows_unset(query.with_defaults),
        depth=None if query.depth is None else query.depth - (not resource.path),
    )


# ===== what is asked of an instance =====


def _whole(view: View, query: Query) -> Node | View | None:
    """A datastore. Its own level counts."""
    fields = query.encoded("fields")
    if query.depth == 1:
        return None
    if fields is not None:
        chosen = fields_of(view, view.root, (), parse_fields(view.root.schema, fields))
        return _nonconfig(chosen, query)
    if query.content != "nonconfig":
        return view
    slots = {child.slot: value for child, value in view.children(view.root, ())}
    root = Node(view.root.schema, tuple([slots.get(slot) for slot in range(len(view.root.slots))]))
    return _nonconfig(root, query)


def _nonconfig(node: Node | None, query: Query) -> Node | None:
    return sift(node, state_only) if node is not None and query.content == "nonconfig" else node


def _instance(view: View, path: Path, query: Query) -> Value | None:
    """The instance at a path as the query wants it; ``None`` if there is nothing of it."""
    parent = _parent(view, path)
    if parent is None:
        return None
    node, key = path[-1]
    value = view.value(parent, node, path[:-1])
    if key is not None:
        value = _member(value, key)
    fields = query.encoded("fields")
    if fields is not None:
        return _fields(view, parent, path, value, fields, query)
    if isinstance(node, ListNode) and isinstance(value, Node):
        return _nonconfig(view.expand(value, path), query)
    value = view.whole(node, value, parent, path[:-1])
    if value is None and isinstance(node, Container) and view.opened(node, None, parent, path[:-1]) is not None:
        value = Node.empty(node)
    return _sifted(node, value, query)


def _sifted(node: DataNode, value: Value | None, query: Query) -> Value | None:
    if query.content != "nonconfig" or value is None:
        return value
    if isinstance(value, Node):
        return _nonconfig(value, query)
    if isinstance(value, EntriesTypes):
        return _entries(value, lambda key, entry: sift(entry, state_only))
    return None if node.config else value


def _fields(view: View, parent: Node, path: Path, value: Value | None, text: str, query: Query) -> Value | None:
    node, key = path[-1]
    if not isinstance(node, InnerNode):
        raise InvalidValue(f"fields: there is nothing below {node.name}", error_type="protocol")
    fields = parse_fields(node, text)
    if isinstance(value, EntriesTypes) and key is None:
        return _entries(
            value,
            lambda item, entry: _nonconfig(fields_of(view, entry, (*path[:-1], (node, item)), fields), query),
        )
    opened = value if isinstance(value, Node) else None
    if isinstance(node, Container):
        opened = view.opened(node, value, parent, path[:-1])
    return None if opened is None else _nonconfig(fields_of(view, opened, path, fields) or _bare(opened), query)


def _bare(node: Node) -> Node:
    """An instance of which nothing was chosen: its keys."""
    keys = node.schema.keys if isinstance(node.schema, ListNode) else ()
    kept = {leaf.slot for leaf in keys}
    return Node(node.schema, tuple([value if slot in kept else None for slot, value in enumerate(node.slots)]))


def _entries(value: Value, make: Callable[[Key, Node], Node | None]) -> LazyEntries:
    assert isinstance(value, EntriesTypes)
    return value.mapped(make) if isinstance(value, LazyEntries) else LazyEntries(value, make)


def _parent(view: View, path: Path) -> Node | None:
    """The node the last step stands in."""
    node: Node | None = view.root
    for at, (step, key) in enumerate(path[:-1]):
        assert node is not None
        value = view.value(node, step, path[:at])
        if isinstance(step, Container):
            node = view.opened(step, value, node, path[:at])
        else:
            found = _member(value, key) if key is not None else None
            node = found if isinstance(found, Node) else None
        if node is None:
            return None
    return node


def _member(value: Value | None, key: Key) -> Value | None:
    if isinstance(value, tuple):
        return str(key) if key in value else None
    return value.get(key) if isinstance(value, EntriesTypes) else None


def _missing(view: View, path: Path) -> NotFound:
    assert view.schema is not None
    return NotFound(f"{path[-1][0].name} does not exist", path=to_xpath(view.schema, path))
