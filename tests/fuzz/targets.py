"""What is fuzzed. A target takes any bytes, feeds them to one surface, and raises if something is wrong there: an
exception that is not the surface's own way to refuse, or a law that does not hold (what is read twice is the same, an
edit is the edit that its difference says, ...). It returns whether the input was accepted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from lxml import etree

from cryptomap.data.diff import diff, edit_document
from cryptomap.data.edit import PartlyEdited, edit
from cryptomap.data.filter import subtree, xpath_paths, xpath_select
from cryptomap.data.path import find
from cryptomap.data.tree import Node
from cryptomap.data.view import View, materialize
from cryptomap.data.xml import read_config, write
from cryptomap.datastore.secrets import Vault
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.netconf.events import NEED_DATA, ConnectionLost, Event, TooBigReceived
from cryptomap.netconf.parser import MessageParser, ParserLimits
from cryptomap.netconf.session import Connection, Limits, RemoteProtocolError
from cryptomap.schema.cache import dumps, loads
from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.modules import load_sources
from cryptomap.schema.nodes import InnerNode, Schema
from cryptomap.schema.sources import Source, find_sources
from cryptomap.schema.xpath import XPathFault, parse
from cryptomap.staros import export_text, import_text
from cryptomap_backend.helper.guard import Guard
from cryptomap_backend.helper.server import answer_to
from cryptomap_backend.helper.verbs import VERBS
from cryptomap_backend.linux.kernel import Kernel
from cryptomap_backend.linux.settings import Settings
from support.random_edits import EditMaker
from support.shop import shop_schema, tree
from support.yang import product_schema

__all__ = ["TARGETS", "Target"]

Target = Callable[[bytes], bool]

HELLO: Final = (
    b'<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>'
    b"<capability>urn:ietf:params:netconf:base:1.%d</capability></capabilities></hello>]]>]]>"
)
BASES: Final = ("urn:ietf:params:netconf:base:1.0", "urn:ietf:params:netconf:base:1.1")
LIMITS: Final = ParserLimits(size=65536, markup=10_000)
VAULT: Final = Vault([bytes(range(64))])
BUDGET: Final = 20_000

# ===== framing: bytes of a connection, in any pieces =====


def framing(data: bytes) -> bool:
    """The first byte chooses the framing and how the rest is cut, which makes no difference to what is heard."""
    first, rest = data[:1] or b"\0", data[1:]
    base, size = first[0] & 1, 1 + (first[0] >> 1)
    whole = _heard(base, [rest])
    assert whole == _heard(base, [rest[at : at + size] for at in range(0, len(rest), size)])
    return len(whole) > 2


def _heard(base: int, pieces: Sequence[bytes]) -> list[tuple[object, ...]]:
    """What a server makes of them, event by event; the error that ends it is the last."""
    connection = Connection("server", BASES, session_id=1, limits=Limits(LIMITS, LIMITS))
    connection.send_hello()
    heard: list[tuple[object, ...]] = []
    try:
        for piece in filter(None, [HELLO % base, *pieces]):
            connection.receive_data(piece)
            while (event := connection.next_event()) is not NEED_DATA:
                heard.append(_told(cast(Event, event)))
                if isinstance(event, TooBigReceived):
                    return heard
        connection.receive_data(b"")
        heard.append(_told(cast(Event, connection.next_event())))
    except RemoteProtocolError:
        heard.append(("closed",))
    return heard


def _told(event: Event) -> tuple[object, ...]:
    if isinstance(event, ConnectionLost):  # what is wrong with half a message may not have shown yet
        return ("lost",) if event.clean else ("closed",)
    if isinstance(event, TooBigReceived):  # answered at once, with as much of its start tag as there is
        return "too big", event.error.tag
    request = event if hasattr(event, "message_id") else getattr(event, "request", None)
    error = getattr(event, "error", None)
    return type(event).__name__, getattr(request, "message_id", None), getattr(error, "tag", None)


# ===== XML to trees =====


def xml(data: bytes) -> bool:
    """A document, to a configuration. What was read is written, and read again as the same."""
    schema = shop_schema()
    try:
        root = read_config(schema, _parsed(data), VAULT)
    except (RpcError, RpcErrors):
        return False
    again = b"<config>" + b"".join(write(schema, root)) + b"</config>"
    assert read_config(schema, _parsed(again), VAULT) == root
    return True


def _parsed(data: bytes) -> etree._Element:
    parser = MessageParser(LIMITS)
    parser.feed(data)
    return parser.close()


# ===== edit-config =====


class Dice:
    """Choices read off the bytes; when they are used up it is always the first."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def choose(self, items: Sequence[Any]) -> Any:
        return items[next(self._bytes, 0) % len(items)]


@functools.cache
def _maker() -> EditMaker:
    return EditMaker(shop_schema(), instances=("/shop:shop/shop:name", "/shop:shop/shop:item[shop:id='1']"))


def edits(data: bytes) -> bool:
    """Edits that the bytes choose, one upon the other, from nothing. Each is what the difference it made says."""
    schema, dice = shop_schema(), Dice(data)
    root = Node.empty(schema.root)
    while next(dice._bytes, None) is not None:
        root = _edited(schema, root, _maker().edit(dice.choose), dice.choose(("merge", "merge", "replace", "none")))
    return not root.is_empty


def edit_xml(data: bytes) -> bool:
    """A document as an edit of a configuration that is there."""
    schema = shop_schema()
    try:
        return _edited(schema, SHOP, _parsed(data), "merge") is not SHOP
    except RpcError:
        return False


def _edited(schema: Schema, old: Node, config: etree._Element, default_operation: str) -> Node:
    try:
        new = edit(
            schema, old, config, default_operation=default_operation, error_option="continue-on-error", seal=VAULT
        )
    except PartlyEdited as partly:
        new = partly.root
    except (RpcError, RpcErrors):
        return old
    _same_by_difference(schema, old, new)
    _same_by_difference(schema, new, old)
    return new


def _same_by_difference(schema: Schema, old: Node, new: Node) -> None:
    changes = diff(old, new)
    document = etree.fromstring(edit_document(schema, changes))
    assert edit(schema, old, document, seal=VAULT) == new
    assert bool(changes) is (old != new)


# ===== filters =====

SHOP: Final = tree(
    "<name>corner</name><open>false</open><tag>a</tag><tag>b</tag><lucky>7</lucky><day>x</day><day>b</day>"
    "<sign><text>hi</text></sign><colour>red</colour><lots/><vat>7</vat>"
    "<item><id>1</id><label>one</label><stock><count>5</count></stock><part><maker>m</maker><serial>1</serial></part>"
    "<part><maker>m</maker><serial>2</serial><note>n</note></part></item><item><id>2</id><label>two</label></item>"
    "<shelf><name>z</name></shelf><shelf><name>a</name><width>1</width></shelf><p:gloss>true</p:gloss>"
)
PREFIXES: Final = {"s": "shop", "p": "paint"}


def xpath(data: bytes) -> bool:
    """A filter expression. What it selects is in the tree, and the budget of instances is kept."""
    schema = shop_schema()
    try:
        expr = parse(data.decode("utf-8", "replace"), PREFIXES, None)
        paths = xpath_paths(schema, View(SHOP), expr, budget=BUDGET)
        selected = xpath_select(schema, View(SHOP), expr, budget=BUDGET)
    except (XPathFault, RpcError):
        return False
    assert (selected is None) <= (not any(find(SHOP, path) for path in paths))
    return bool(paths)


def filters(data: bytes) -> bool:
    """A subtree filter. It selects a part of the tree, and of that part all."""
    schema = shop_schema()
    try:
        element = _parsed(data)
    except RpcError:
        return False
    selected = subtree(schema, View(SHOP), element)
    if selected is None:
        return False
    part = materialize(selected)
    assert all(change.new is None or change.old is not None for change in diff(SHOP, part)), "a filter adds nothing"
    again = subtree(schema, View(part), element)
    assert again is not None
    assert materialize(again) == part
    return True


# ===== YANG =====


@functools.cache
def _imports() -> tuple[Source, ...]:
    names = {"ietf-yang-types", "ietf-inet-types", "cryptomap-types"}
    return tuple(source for group in find_sources() for source in group if source.name in names)


def yang(data: bytes) -> bool:
    """A module. It is refused in one line, or compiled to a schema that survives the cache."""
    text = data.decode("utf-8", "replace")
    try:
        schema = load_sources([], [Source("fuzzed", None, "yang", Path("fuzzed.yang"), text)], _imports())
    except SchemaFault as fault:
        return _one_line(fault)
    assert _outline(loads(dumps(schema)).root) == _outline(schema.root)
    return True


def _one_line(fault: SchemaFault) -> bool:
    assert "\n" not in str(fault)
    return False


def _outline(node: InnerNode) -> list[object]:
    """Every node below, with what it demands."""
    return [
        (repr(child), child.musts, child.whens, _outline(child) if isinstance(child, InnerNode) else None)
        for child in node.children
    ]


# ===== StarOS text =====


def staros(data: bytes) -> bool:
    """Configuration text. Nothing in it raises; what was taken is written and read again as the same."""
    schema = product_schema()
    taken = import_text(schema, data.decode("utf-8", "replace"), seal=VAULT).root
    exported = export_text(schema, taken)
    again = import_text(schema, exported.text, seal=VAULT)
    assert again.rejects == ()
    assert exported.unsaid or again.root == taken
    return not taken.is_empty


# ===== requests to the privileged helper =====


class _Kernel:
    """Does nothing, for requests that have passed all checks."""

    def __getattr__(self, verb: str) -> Callable[..., None]:
        assert verb in VERBS
        return lambda *_: None


def helper(data: bytes) -> bool:
    """A line at the helper's socket. It is answered with an error, or is a proper request."""
    return "error" not in answer_to(data, cast(Kernel, _Kernel()), Guard(Settings()))


TARGETS: Final[Mapping[str, Target]] = {
    target.__name__.replace("_", "-"): target
    for target in (framing, xml, edits, edit_xml, xpath, filters, yang, staros, helper)
}
