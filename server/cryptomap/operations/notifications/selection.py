"""The filters of subscriptions (RFC 8639 section 2.2, RFC 8641 section 3.6): given with the subscription, or configured
and named by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from cryptomap.data.build import Plain
from cryptomap.data.filter import subtree, xpath_select
from cryptomap.data.tree import AnyValue, Node
from cryptomap.data.view import View
from cryptomap.data.xpath import Env, compile_expr
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.operations.access import Reader
from cryptomap.operations.nmda import expression
from cryptomap.operations.notifications.records import Record
from cryptomap.operations.notifications.refusals import SN, YP, refusal
from cryptomap.schema.nodes import Schema
from cryptomap.schema.xpath import Expr

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["DATASTORE", "STREAM", "Kind", "Selection", "named_selection", "read_selection"]


@dataclass(frozen=True, slots=True)
class Kind:
    """Where the filters of streams or of datastores stand: the module, and the names of the leaf that names one, of the
    two that hold one, and of the list of those configured."""

    module: str
    name: str
    subtree: str
    xpath: str
    configured: str


STREAM: Final = Kind(SN, "stream-filter-name", "stream-subtree-filter", "stream-xpath-filter", f"{SN}:stream-filter")
DATASTORE: Final = Kind(
    YP, "selection-filter-ref", "datastore-subtree-filter", "datastore-xpath-filter", f"{YP}:selection-filter"
)


@dataclass(frozen=True, slots=True)
class Selection:
    """One filter; without ``element`` and ``expr`` it takes everything. ``plain``: it as content of a subscription.
    ``entry``: it as configured, if it has a ``name``."""

    kind: Kind
    name: str | None = None
    element: etree._Element | None = None
    expr: Expr | None = None
    plain: Plain | None = None
    entry: Node | None = None

    @property
    def is_everything(self) -> bool:
        return self.element is None and self.expr is None

    def takes(self, schema: Schema, record: Record, reader: Reader, budget: int) -> bool:
        """Whether an event is wanted."""
        if self.is_everything:
            return True
        view = View(record.root(reader), hide=reader.hide)
        if self.element is not None:
            return subtree(schema, view, self.element) is not None
        assert self.expr is not None
        env = Env(schema, view.root, view=view, budget=budget)
        return env.holds(compile_expr(self.expr), env.root)

    def of(self, schema: Schema, view: View, budget: int) -> Node | None:
        """What it selects of a datastore."""
        if self.element is not None:
            return subtree(schema, view, self.element)
        if self.expr is not None:
            return xpath_select(schema, view, self.expr, budget=budget)
        return view.expand(view.root, ())


def read_selection(server: Server, kind: Kind, given: Node, request: etree._Element) -> Selection | None:
    """The filter of an operation's input, ``None`` if there is none. Raises the refusal filter-unsupported."""
    name = given.text(f"{kind.module}:{kind.name}")
    if name is not None:
        return named_selection(server, kind, name)
    schema = server.schema
    namespace = schema.namespace_of_module[kind.module]
    wanted, path = (request.find(f"{{{namespace}}}{item}") for item in (kind.subtree, kind.xpath))
    if wanted is not None:
        plain = {f"{kind.module}:{kind.subtree}": given[f"{kind.module}:{kind.subtree}"]}
        return Selection(kind, element=wanted, plain=plain)
    if path is not None:
        plain = {f"{kind.module}:{kind.xpath}": given.text(f"{kind.module}:{kind.xpath}")}
        return Selection(kind, expr=_expression(server, kind, path), plain=plain)
    return None


def named_selection(server: Server, kind: Kind, name: str) -> Selection:
    """A configured filter. Raises the refusal filter-unsupported if it is not there or wrong."""
    filters = server.datastores.running.root.node(f"{SN}:filters")
    entry = filters.entries(kind.configured).get(name) if filters else None
    if entry is None:
        message = f"there is no filter {name}"
        raise refusal("filter-unsupported", message, filter_failure_hint=message)
    plain = {f"{kind.module}:{kind.name}": name}
    wanted, path = entry[f"{kind.module}:{kind.subtree}"], entry.text(f"{kind.module}:{kind.xpath}")
    if isinstance(wanted, AnyValue):
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        return Selection(kind, name, element=etree.fromstring(wanted.xml, parser), plain=plain, entry=entry)
    if path is not None:
        element = etree.Element(kind.xpath)
        element.text = path
        return Selection(kind, name, expr=_expression(server, kind, element), plain=plain, entry=entry)
    return Selection(kind, name, plain=plain, entry=entry)


def _expression(server: Server, kind: Kind, element: etree._Element) -> Expr:
    """Tried on nothing at once, so that what can be refused is."""
    schema = server.notifier.tree.schema if kind is STREAM else server.schema
    try:
        expr = expression(schema, element)
        env = Env(schema, Node.empty(schema.root), budget=server.limits.xpath_nodes)
        env.evaluate(compile_expr(expr), env.root)
    except (RpcError, RpcErrors, ValueError) as fault:
        message = fault.message if isinstance(fault, RpcError) else str(fault)
        raise refusal("filter-unsupported", message, filter_failure_hint=message) from fault
    return expr
