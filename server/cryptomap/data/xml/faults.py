"""Collecting what is wrong with a document. Paths are worked out from the elements only when there is a fault, so that
reading a faultless document carries none around."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lxml import etree

from cryptomap.data.path import to_xpath
from cryptomap.data.tree import Key, Path, Step, key_from_text
from cryptomap.errors import ErrorPath, RpcError, RpcErrors
from cryptomap.schema.nodes import InnerNode, LeafList, ListNode, Schema
from cryptomap.schema.types import Names, TypeFault

__all__ = ["Faults", "local_name", "names_at", "names_in"]

MAX_FAULTS = 100


class Faults:
    """The faults of one document whose ``top`` element holds the children of ``inner`` (which is at ``base``)."""

    def __init__(self, schema: Schema, inner: InnerNode, top: etree._Element, base: Path = ()) -> None:
        self.schema = schema
        self.errors: list[RpcError] = []
        self._inner = inner
        self._top = top
        self._base = base

    def add(
        self,
        kind: type[RpcError],
        message: str,
        element: etree._Element,
        *,
        app_tag: str | None = None,
        info: Iterable[tuple[str, str]] = (),
    ) -> None:
        """One fault at that element. Beyond the limit they are only counted as "there are some"."""
        if len(self.errors) < MAX_FAULTS:
            self.errors.append(kind(message, path=self.path_of(element), app_tag=app_tag, info=info))

    def raise_any(self) -> None:
        if self.errors:
            raise RpcErrors(self.errors)

    def path_of(self, element: etree._Element) -> ErrorPath:
        """The instance path of an element, or of its nearest ancestor that the schema knows."""
        return to_xpath(self.schema, self.locate(element))

    def locate(self, element: etree._Element) -> Path:
        chain = []
        at: etree._Element | None = element
        while at is not None and at is not self._top:
            chain.append(at)
            at = at.getparent()
        steps: list[Step] = list(self._base)
        inner = self._inner
        for item in reversed(chain):
            child = inner.by_tag.get(item.tag) if isinstance(item.tag, str) else None
            if child is None:
                break
            steps.append((child, self._key(child, item)))
            if not isinstance(child, InnerNode):
                break
            inner = child
        return tuple(steps)

    def _key(self, child: object, element: etree._Element) -> Key | None:
        if isinstance(child, LeafList):
            return (element.text or "").strip() or None
        if not isinstance(child, ListNode) or not child.keys:
            return None
        texts = []
        for leaf in child.keys:
            found = element.find(leaf.tag)
            if found is None:
                return None
            try:
                texts.append(leaf.type.parse((found.text or "").strip(), names_at(self.schema, found)))
            except TypeFault:
                texts.append((found.text or "").strip())
        try:
            return key_from_text(child, tuple(texts))
        except ValueError:
            return tuple(texts) if len(texts) > 1 else texts[0]


def local_name(element: etree._Element) -> str:
    return etree.QName(element).localname


def names_at(schema: Schema, element: etree._Element) -> Names:
    """What prefixes in the text of an element stand for. Without a prefix and without a default namespace it is the
    namespace of the element itself: clients such as ncclient leave it at that, and it can mean nothing else."""
    return _names(schema, _namespace(element), element.prefix, lambda: element.nsmap)


def names_in(schema: Schema, element: etree._Element) -> Names:
    """The same for longer than the element lives."""
    nsmap = element.nsmap
    return _names(schema, _namespace(element), element.prefix, lambda: nsmap)


def _namespace(element: etree._Element) -> str:
    return element.tag[1:].partition("}")[0]


def _names(schema: Schema, own: str, own_prefix: str | None, nsmap: Callable[[], Mapping[str | None, str]]) -> Names:
    def names(prefix: str | None) -> str:
        # The usual case costs nothing to know: the value is in the namespace of the element itself.
        namespace = own if prefix == own_prefix else nsmap().get(prefix)
        if namespace is None and prefix is None:
            namespace = own
        if namespace is None:
            what = f"prefix '{prefix}' is not declared" if prefix else "there is no default namespace for the value"
            raise TypeFault(what)
        module = schema.module_of_namespace.get(namespace)
        if module is None:
            raise TypeFault(f"namespace '{namespace}' belongs to no module of this server")
        return module

    return names
