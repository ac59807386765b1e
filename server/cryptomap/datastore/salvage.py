"""What to do with data the schema of today refuses: take it out piece by piece, keep it, go on with the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxml import etree

from cryptomap.data.tree import Node
from cryptomap.data.validation import Snapshot, validate
from cryptomap.data.xml import Sealer, WriteOptions, read_config, write
from cryptomap.data.xml.attributes import NETCONF_NAMESPACE
from cryptomap.datastore.statedir import StateFault
from cryptomap.errors import ErrorPath, RpcError, RpcErrors
from cryptomap.schema.nodes import Schema

__all__ = ["config_element", "leniently", "valid_part"]

ROUNDS = 100  # each takes out all that was reported, at least one element

Refused = list[tuple[str, bytes]]
"""(why, the element taken out as XML)"""


def leniently(read: Callable[[etree._Element], Node], config: etree._Element, refused: Refused) -> Node:
    """What ``read`` makes of a config element once everything it refuses has been taken out. Raises StateFault if it
    refuses something that cannot be found."""
    for _ in range(ROUNDS):
        try:
            return read(config)
        except (RpcError, RpcErrors) as fault:
            _take_out(config, fault, refused)
    raise StateFault("the stored configuration cannot be brought under this schema")


def config_element(schema: Schema, root: Node) -> etree._Element:
    """A tree as a config element. It is parsed in one piece: lxml drops the declaration of a prefix that only a value
    uses when an element moves to another parent."""
    start = f'<config xmlns="{NETCONF_NAMESPACE}">'.encode()
    text = b"".join([start, *write(schema, root, WriteOptions()), b"</config>"])
    return etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))


def valid_part(schema: Schema, root: Node, seal: Sealer | None, refused: Refused) -> Snapshot:
    """The valid snapshot of what is left of a tree once its violations have been taken out."""
    try:
        return validate(schema, root, None)
    except RpcErrors as fault:
        config = config_element(schema, root)
        _take_out(config, fault, refused)
    snapshots: list[Snapshot] = []

    def read_valid(part: etree._Element) -> Node:
        snapshots.append(validate(schema, read_config(schema, part, seal), None))
        return snapshots[-1].root

    leniently(read_valid, config, refused)
    return snapshots[-1]


def _take_out(config: etree._Element, fault: RpcError | RpcErrors, refused: Refused) -> None:
    errors = fault.errors if isinstance(fault, RpcErrors) else (fault,)
    before = len(refused)
    for error in errors:
        for culprit in _culprits(config, error):
            refused.append((str(error), etree.tostring(culprit)))
            _remove(culprit)
    if len(refused) == before:
        raise StateFault(f"the stored configuration cannot be brought under this schema: {fault}")


def _culprits(config: etree._Element, error: RpcError) -> Iterator[etree._Element]:
    """The elements an error is about: the one at its path, or in it the one it calls bad."""
    found = [config] if error.path is None else _at(config, error.path)
    bad = {text for name, text in error.info if name in ("bad-element", "bad-namespace")}
    for element in found:
        named = [child for child in element if _names(child) & bad]
        yield from named or ([element] if element is not config else [])


def _at(config: etree._Element, path: ErrorPath) -> list[etree._Element]:
    if path.text == "/":
        return [config]
    found = config.xpath(f".{path.text}", namespaces=dict(path.namespaces))
    return [element for element in found if isinstance(element, etree._Element)] if isinstance(found, list) else []


def _names(element: etree._Element) -> set[str]:
    name = etree.QName(element)
    return {name.localname, name.namespace or ""}


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)
