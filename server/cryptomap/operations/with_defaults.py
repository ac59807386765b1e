"""How replies show defaults (RFC 6243). The basic mode is *explicit*: what nobody set is not shown unless asked for."""

from __future__ import annotations

from typing import Final

from lxml import etree

from cryptomap.data.tree import Node
from cryptomap.data.view import View
from cryptomap.data.xml import WriteOptions, read_config, write
from cryptomap.errors import InvalidValue
from cryptomap.operations.parameters import Parameters
from cryptomap.schema.nodes import Schema

__all__ = ["BASIC_MODE", "MODES", "OPERATIONAL_MODE", "WITH_DEFAULTS", "mode_of", "shows_unset", "with_defaults"]

BASIC_MODE: Final = "explicit"
MODES: Final = (BASIC_MODE, "report-all", "report-all-tagged", "trim")
OPERATIONAL_MODE: Final = "report-all"
"""How operational is shown unless asked otherwise: with the values in use (RFC 8342 section 5.3)."""

WITH_DEFAULTS: Final = "{urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults}with-defaults"
"""The parameter's Clark name: it has a namespace of its own (section 4.5)."""


def mode_of(parameters: Parameters) -> str:
    """The mode a request asks for. Raises InvalidValue for one there is not."""
    return parameters.choice("with-defaults", MODES) or BASIC_MODE


def shows_unset(mode: str) -> bool:
    """Whether the mode shows defaults that nobody set."""
    return mode.startswith("report-all")


def with_defaults(schema: Schema, root: Node, mode: str) -> Node:
    """A configuration with its defaults as a mode shows them, so that somebody seems to have set them."""
    if mode == "report-all-tagged":
        message = "a datastore keeps no tags: report-all-tagged is for replies and files"
        raise InvalidValue(message, error_type="protocol", info=[("bad-element", "with-defaults")])
    view = View(root, schema=schema, defaults=shows_unset(mode))
    content = b"".join(write(schema, view, WriteOptions(mode)))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    return read_config(schema, etree.fromstring(b"<config>%b</config>" % content, parser), AlreadySealed())


class AlreadySealed:
    """Reads secrets as they are: what a datastore shows is sealed."""

    def seal(self, path: str, clear: str) -> str:
        return clear

    def is_sealed(self, path: str, text: str) -> bool:
        return True
