"""JSON in and out (RFC 7951). Member names carry the module name where it differs from the parent's; numbers of up to
32 bits are JSON numbers, larger ones and decimals strings; identities and instance paths use module names.

The content of anydata and anyxml has no schema here. Elements become members (several of one name an array) and texts
strings; attributes and comments have no JSON form and are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from lxml import etree

from cryptomap.data.path import to_xpath
from cryptomap.data.tree import AnyValue, Key, KeylessEntries, Node, Path, Value, entries_of, key_of, values_of
from cryptomap.data.view import View
from cryptomap.data.xml.anydata import any_value
from cryptomap.data.xml.seal import Sealer
from cryptomap.errors import BadElement, InvalidValue, MissingElement, RpcError, RpcErrors, UnknownElement
from cryptomap.schema.nodes import Any_, Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import (
    BooleanType,
    EmptyType,
    IdentityrefType,
    IntegerType,
    LeafrefType,
    Type,
    TypeFault,
    UnionType,
)

__all__ = ["parse_json", "read_json", "read_members", "write_json"]

Json: TypeAlias = Any
MAX_FAULTS = 100
_DEFAULT_TAG = {"ietf-netconf-with-defaults:default": True}  # RFC 8040 section 4.8.9
_NUMBERS = frozenset({"int8", "int16", "int32", "uint8", "uint16", "uint32"})


# ===== writing =====


def write_json(
    schema: Schema, source: Node | View, with_defaults: str = "explicit", module: str = ""
) -> Iterator[bytes]:
    """The children of a node as one JSON object (UTF-8), piece by piece: entry by entry for the lists in containers.
    ``with_defaults`` as in :class:`~cryptomap.data.xml.WriteOptions`; ``module`` is that of the member that the object
    is the value of."""
    if isinstance(source, View):
        children = source.children(source.root, ())
    else:
        children = ((c, v) for c, v in zip(source.schema.children, source.slots, strict=True) if v is not None)
    return (piece.encode() for piece in _Writer(schema, with_defaults).members(children, module))


class _Writer:
    def __init__(self, schema: Schema, with_defaults: str) -> None:
        self._schema = schema
        self._trim = with_defaults == "trim"
        self._tagged = with_defaults == "report-all-tagged"

    def members(self, children: Iterator[tuple[DataNode, Value]], module: str) -> Iterator[str]:
        separator = "{"
        for child, value in children:
            is_default = (self._trim or self._tagged) and _is_default(child, value)
            if is_default and self._trim:
                continue
            name = _member_name(child, module)
            yield f"{separator}{json.dumps(name)}:"
            yield from self._value(child, value)
            separator = ","
            if is_default:
                tag = [_DEFAULT_TAG] * len(value) if isinstance(value, tuple) else _DEFAULT_TAG
                yield f",{json.dumps('@' + name)}:{json.dumps(tag)}"
        yield "}" if separator == "," else "{}"

    def _value(self, child: DataNode, value: Value) -> Iterator[str]:
        if isinstance(value, Node):
            yield from self._node(value)
        elif isinstance(child, ListNode):
            assert not isinstance(value, str | tuple | AnyValue)
            separator = "["
            for entry in value.nodes():
                yield separator
                yield from self._node(entry)
                separator = ","
            yield "]" if separator == "," else "[]"
        else:
            yield json.dumps(self._plain(child, value), ensure_ascii=False)

    def _node(self, node: Node) -> Iterator[str]:
        children = ((c, v) for c, v in zip(node.schema.children, node.slots, strict=True) if v is not None)
        return self.members(children, node.schema.module)

    def _plain(self, child: DataNode, value: Value) -> Json:
        if isinstance(child, Leaf):
            return _to_json(child.type, str(value))
        if isinstance(child, LeafList):
            assert isinstance(value, tuple)
            return [_to_json(child.type, item) for item in value]
        assert isinstance(value, AnyValue)
        return self._content(etree.fromstring(value.xml), child.module)

    def _content(self, element: etree._Element, module: str) -> Json:
        """The content of an element whose schema is not known."""
        children = list(element.iterchildren(etree.Element))
        if not children:
            return element.text or ""
        members: dict[str, list[Json]] = {}
        for child in children:
            name = etree.QName(child)
            inner = self._schema.module_of_namespace.get(name.namespace or "", module)
            text = name.localname if inner == module else f"{inner}:{name.localname}"
            members.setdefault(text, []).append(self._content(child, inner))
        return {name: values if len(values) > 1 else values[0] for name, values in members.items()}


def _is_default(child: DataNode, value: Value) -> bool:
    if isinstance(child, Leaf):
        return not child.is_key and value == child.default
    return isinstance(child, LeafList) and bool(child.defaults) and value == child.defaults


def _member_name(child: DataNode, module: str) -> str:
    return child.name if child.module == module else child.qname


def _to_json(kind: Type, value: str) -> Json:
    kind = _actual(kind, value)
    if kind.base in _NUMBERS:
        return int(value)
    if isinstance(kind, BooleanType):
        return value == "true"
    return [None] if isinstance(kind, EmptyType) else value


def _actual(kind: Type, value: str) -> Type:
    """The type behind leafrefs and unions that a canonical value belongs to."""
    while isinstance(kind, LeafrefType | UnionType):
        kind = kind.target if isinstance(kind, LeafrefType) else kind.member_of(value)
    return kind


# ===== reading =====


def read_json(
    schema: Schema,
    inner: InnerNode,
    document: bytes | str,
    seal: Sealer | None = None,
    *,
    base: Path = (),
    config_only: bool = False,
) -> Node:
    """The node whose children a JSON object holds; it is at ``base``. Raises RpcErrors with all faults; InvalidValue if
    it is no JSON."""
    return read_members(schema, inner, parse_json(document), seal, base=base, config_only=config_only)


def parse_json(document: bytes | str) -> Json:
    """A JSON text as Python values. A name that is there twice in one object is refused. Raises InvalidValue."""
    try:
        return json.loads(document, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as fault:
        raise InvalidValue(f"this is not JSON: {fault}", error_type="protocol") from fault


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name is twice in one object")
    return members


def read_members(
    schema: Schema,
    inner: InnerNode,
    members: Json,
    seal: Sealer | None = None,
    *,
    base: Path = (),
    config_only: bool = False,
) -> Node:
    """As :func:`read_json`, from a JSON object that has been parsed."""
    reader = _Reader(schema, seal, config_only)
    node = reader.node(inner, members, base)
    if reader.errors:
        raise RpcErrors(reader.errors)
    return node


class _Reader:
    def __init__(self, schema: Schema, seal: Sealer | None, config_only: bool) -> None:
        self._schema = schema
        self._seal = seal
        self._config_only = config_only
        self.errors: list[RpcError] = []

    def node(self, inner: InnerNode, members: Json, path: Path) -> Node:
        slots: list[Value | None] = [None] * len(inner.children)
        if not isinstance(members, dict):
            self._fault(InvalidValue, f"{inner.name or 'the document'} must be a JSON object", path)
            return Node(inner, tuple(slots))
        for name, value in members.items():
            if name.startswith("@"):
                continue  # metadata (RFC 7952): none is defined for what clients send
            child = inner.by_qname.get(name) or inner.by_qname.get(f"{inner.module}:{name}")
            if child is None or (self._config_only and not child.config):
                message = f"{name} is not expected {'below ' + inner.name if inner.name else 'at the top'}"
                self._fault(UnknownElement, message, path, (("bad-element", name),))
            elif slots[child.slot] is not None:
                self._fault(BadElement, f"{name} is here twice", path, (("bad-element", name),))
            else:
                slots[child.slot] = self._value(child, value, path)
        self._check_cases(inner, slots, path)
        return Node(inner, tuple(slots))

    def _value(self, child: DataNode, value: Json, path: Path) -> Value | None:
        here = (*path, (child, None))
        if isinstance(child, Leaf):
            return self._text(child, value, here)
        if isinstance(child, Any_):
            return self._any(child, value, here)
        if isinstance(child, Container):
            node = self.node(child, value, here)
            return None if node.is_empty and not child.presence else node
        if not isinstance(value, list):
            self._fault(InvalidValue, f"{child.name} must be a JSON array", here)
            return None
        if isinstance(child, LeafList):
            texts = [self._text(child, item, here) for item in value]
            return self._values(child, [text for text in texts if text is not None], here)
        assert isinstance(child, ListNode)
        return self._entries(child, value, path)

    def _any(self, child: Any_, value: Json, path: Path) -> Value | None:
        try:
            return any_value(_element(self._schema, child.tag, child.module, value))
        except (ValueError, RecursionError):
            message = (
                f"the content of {child.name} has a name or a character that XML cannot have, or is nested too deep"
            )
            self._fault(InvalidValue, message, path, (("bad-element", child.name),))
            return None

    def _values(self, child: LeafList, texts: list[str], path: Path) -> Value | None:
        if child.config and len(set(texts)) < len(texts):
            self._fault(BadElement, f"a value of {child.name} is here twice", path, (("bad-element", child.name),))
        return values_of(child, dict.fromkeys(texts) if child.config else texts)

    def _entries(self, child: ListNode, items: list[Json], path: Path) -> Value | None:
        if not child.keys:
            nodes = [self.node(child, item, (*path, (child, at))) for at, item in enumerate(items)]
            return KeylessEntries(nodes) if nodes else None
        entries: dict[Key, Node] = {}
        for item in items:
            entry = self.node(child, item, (*path, (child, None)))
            missing = [leaf.name for leaf in child.keys if entry.slots[leaf.slot] is None]
            if missing:
                for name in missing:
                    message = f"an entry of list {child.name} needs its key {name}"
                    self._fault(MissingElement, message, (*path, (child, None)), (("bad-element", name),))
            elif entries.setdefault(key_of(entry), entry) is not entry:
                info = (("bad-element", child.name),)
                self._fault(BadElement, "this entry is here twice", (*path, (child, key_of(entry))), info)
        return entries_of(child, entries)

    def _text(self, child: Leaf | LeafList, value: Json, path: Path) -> str | None:
        if child.secret and self._seal is not None and isinstance(value, str):
            if self._seal.is_sealed(child.path, value):
                return value
            clear = self._checked(child, value, path)
            return None if clear is None else self._seal.seal(child.path, clear)
        return self._checked(child, value, path)

    def _checked(self, child: Leaf | LeafList, value: Json, path: Path) -> str | None:
        try:
            return _from_json(child.type, value, child.module)
        except TypeFault as fault:
            self._fault(InvalidValue, fault.message, path, (("bad-element", child.name),), fault.app_tag)
            return None

    def _check_cases(self, inner: InnerNode, slots: list[Value | None], path: Path) -> None:
        choices = list(inner.choices)
        while choices:
            choice = choices.pop()
            cases = [case for case in choice.cases if any(slots[slot] is not None for slot in case.all_slots())]
            choices += [nested for case in cases for nested in case.choices]
            if len(cases) > 1:
                message = f"choice {choice.name} allows one of its cases, not both {cases[0].name} and {cases[1].name}"
                self._fault(BadElement, message, path)

    def _fault(
        self,
        kind: type[RpcError],
        message: str,
        path: Path,
        info: tuple[tuple[str, str], ...] = (),
        app_tag: str | None = None,
    ) -> None:
        if len(self.errors) < MAX_FAULTS:
            self.errors.append(kind(message, path=to_xpath(self._schema, path), info=info, app_tag=app_tag))


def _from_json(kind: Type, value: Json, module: str) -> str:
    """The canonical text of a JSON value. Raises TypeFault also for the wrong kind of JSON value."""
    if isinstance(kind, LeafrefType):
        return _from_json(kind.target, value, module)
    if isinstance(kind, UnionType):
        return _first(kind, value, module)
    if isinstance(kind, IdentityrefType) and isinstance(value, str) and ":" not in value:
        value = f"{module}:{value}"  # an identity of the leaf's own module (section 6.8)
    return kind.parse(_lexical(kind, value))


def _first(kind: UnionType, value: Json, module: str) -> str:
    for member in kind.members:
        try:
            return _from_json(member, value, module)
        except TypeFault:
            continue
    raise TypeFault("the value fits no member of the union")


def _lexical(kind: Type, value: Json) -> str:
    expected: str
    if isinstance(kind, BooleanType):
        if isinstance(value, bool):
            return "true" if value else "false"
        expected = "true or false"
    elif isinstance(kind, EmptyType):
        if value == [None]:
            return ""
        expected = "[null]"
    elif isinstance(kind, IntegerType) and kind.base in _NUMBERS:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        expected = "a number"
    else:
        if isinstance(value, str):
            return value
        expected = "a string"
    raise TypeFault(f"a value of type {kind.base} is {expected} in JSON")


def _element(schema: Schema, tag: str, module: str, value: Json) -> etree._Element:
    """The XML of content whose schema is not known."""
    element = etree.Element(tag, nsmap={None: schema.namespace_of_module[module]})  # type: ignore[dict-item]
    if not isinstance(value, dict):
        element.text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
        return element
    for name, content in value.items():
        prefix, _, local = name.rpartition(":")
        inner = prefix if prefix in schema.namespace_of_module else module
        tag = f"{{{schema.namespace_of_module[inner]}}}{local}"
        for item in content if isinstance(content, list) else [content]:
            element.append(_element(schema, tag, inner, item))
    return element
