"""The parameters of the protocol's own operations, read from their XML (RFC 6241 section 7).

A configuration inside them may be as large as a message, so it stays the element it arrived as. Operations of other
modules are read by their schema instead (``actions``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from lxml import etree

from cryptomap.errors import (
    BadElement,
    InvalidValue,
    MissingElement,
    OperationNotSupported,
    RpcError,
    UnknownElement,
    UnknownNamespace,
)
from cryptomap.netconf.messages import BASE
from cryptomap.operations.url import Url

__all__ = ["DATASTORES", "Parameters", "local_name"]

DATASTORES: Final = ("running", "candidate", "startup")
_NMDA_DATASTORE: Final = "{urn:ietf:params:xml:ns:yang:ietf-netconf-nmda}datastore"
_NMDA_OPERATIONS: Final = ("lock", "unlock", "validate")  # what ietf-netconf-nmda augments
_IETF_DATASTORES: Final = "urn:ietf:params:xml:ns:yang:ietf-datastores"
_NUMBER = re.compile(r"\+?0*([0-9]{1,10})")


class Parameters:
    """The children of an operation by local name, in the operation's own namespace unless allowed by a Clark name.

    Raises what RFC 6241 appendix A prescribes: an unknown, repeated, missing or wrong parameter is a protocol error.
    """

    def __init__(self, operation: etree._Element, *allowed: str) -> None:
        self.operation = operation
        self._found: dict[str, etree._Element] = {}
        namespace = etree.QName(operation).namespace or ""
        for element in operation.iterchildren(etree.Element):
            self._add(element, namespace, allowed)

    def _add(self, element: etree._Element, namespace: str, allowed: Iterable[str]) -> None:
        name = etree.QName(element)
        if name.namespace != namespace and element.tag not in allowed:
            raise UnknownNamespace(
                f"{self._name} has no parameter {name.localname} in namespace '{name.namespace or ''}'",
                error_type="protocol",
                info=[("bad-element", name.localname), ("bad-namespace", name.namespace or "")],
            )
        if name.localname not in allowed and element.tag not in allowed:
            message = f"{self._name} has no parameter {name.localname}"
            raise self._fault(UnknownElement, message, name.localname)
        if name.localname in self._found:
            raise self._fault(BadElement, f"{name.localname} is given twice", name.localname)
        self._found[name.localname] = element

    def get(self, name: str) -> etree._Element | None:
        return self._found.get(name)

    def need(self, name: str) -> etree._Element:
        """That parameter, or MissingElement."""
        element = self._found.get(name)
        if element is None:
            raise self._fault(MissingElement, f"{self._name} needs the parameter {name}", name)
        return element

    def has(self, name: str) -> bool:
        return name in self._found

    def text(self, name: str) -> str | None:
        """The text of a parameter without the white space around it, or ``None`` if it is not there."""
        element = self._found.get(name)
        if element is None:
            return None
        if len(element):
            raise self._fault(BadElement, f"{name} holds text, not elements", name)
        return (element.text or "").strip()

    def need_text(self, name: str) -> str:
        """The same for a parameter that must be there and not be empty."""
        self.need(name)
        text = self.text(name)
        if not text:
            raise self._fault(InvalidValue, f"{name} must not be empty", name)
        return text

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """A parameter that is one of a few words."""
        text = self.text(name)
        if text is not None and text not in allowed:
            raise self._fault(InvalidValue, f"{name} is '{text[:40]}', which is none of {', '.join(allowed)}", name)
        return text

    def number(self, name: str, low: int, high: int = 4294967295) -> int | None:
        """A whole number from ``low`` to ``high``."""
        text = self.text(name)
        if text is None:
            return None
        match = _NUMBER.fullmatch(text)
        if match is None or not low <= int(match[1]) <= high:
            raise self._fault(InvalidValue, f"{name} is '{text[:40]}', not a number from {low} to {high}", name)
        return int(match[1])

    def datastore(self, name: str) -> str:
        """The datastore that the parameter (source or target) names."""
        found = self.place(name)
        if isinstance(found, str):
            return found
        if isinstance(found, Url):
            raise self._fault(OperationNotSupported, f"{name} must be a datastore here, not <url>", "url")
        raise self._fault(BadElement, f"{name} must be a datastore here, not <config>", "config")

    def target(self, name: str = "target") -> str | Url:
        """The datastore or file that the parameter names."""
        found = self.place(name)
        if isinstance(found, str | Url):
            return found
        raise self._fault(BadElement, f"{name} must be a datastore here, not <config>", "config")

    def place(self, name: str) -> str | Url | etree._Element:
        """The datastore or file that the parameter names, or the ``config`` element in it."""
        children = list(self.need(name).iterchildren(etree.Element))
        if not children:
            raise self._fault(MissingElement, f"{name} must name a datastore", name)
        if len(children) > 1:
            raise self._fault(BadElement, f"{name} must name one datastore", local_name(children[1]))
        child = children[0]
        word = local_name(child)
        if child.tag == _NMDA_DATASTORE and self._name in _NMDA_OPERATIONS:
            return self.identity(child, DATASTORES)
        if etree.QName(child).namespace != BASE or word not in (*DATASTORES, "config", "url"):
            raise self._fault(UnknownElement, f"{name}: there is no datastore {word}", word)
        if word == "url":
            return Url((child.text or "").strip())
        return child if word == "config" else word

    def identity(self, element: etree._Element, allowed: Collection[str]) -> str:
        """The datastore that an NMDA leaf names by its identity (RFC 8342), one of those allowed."""
        prefix, _, name = (element.text or "").strip().rpartition(":")
        if element.nsmap.get(prefix or None) != _IETF_DATASTORES or name not in allowed:
            message = f"{self._name}: '{(element.text or '').strip()[:60]}' is none of the datastores for it here"
            raise self._fault(InvalidValue, message, local_name(element))
        return name

    @property
    def _name(self) -> str:
        return local_name(self.operation)

    @staticmethod
    def _fault(kind: type[RpcError], message: str, element: str) -> RpcError:
        return kind(message, error_type="protocol", info=[("bad-element", element)])


def local_name(element: etree._Element) -> str:
    return etree.QName(element).localname
