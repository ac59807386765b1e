"""A module as text in either format: YANG, or its XML form YIN (RFC 7950 section 13).

A module is kept as the text it was read from, which is served as it stands; the other format is made from what pyang
parses of it. pyang's own YIN output needs modules that were checked as a whole and is not for submodules that were
folded into theirs.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final

from lxml import etree

from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.nodes import Module, Schema
from cryptomap.schema.statements import Statement, argument

__all__ = ["FORMATS", "format_of", "text_in"]

FORMATS: Final = ("yang", "yin")

_YIN: Final = "urn:ietf:params:xml:ns:yang:yin:1"
_PYANG = threading.Lock()  # it keeps what it is doing in its modules


def format_of(module: Module) -> str:
    """The format that a module's own text is in."""
    return "yin" if module.text.lstrip("\ufeff \t\r\n").startswith("<") else "yang"


def text_in(schema: Schema, module: Module, wanted: str) -> str:
    """A module of the schema in one of FORMATS. Making the other one takes a while; on any thread."""
    if wanted == format_of(module):
        return module.text
    with _PYANG:
        return _as_yin(schema, module) if wanted == "yin" else _as_yang(module)


def _parsed(module: Module) -> Statement:
    """The statements of a module, nothing looked up or checked."""
    from pyang import yang_parser, yin_parser  # takes a tenth of a second, and is seldom needed

    from cryptomap.schema.reader import Reader

    reader = Reader([])
    parser = yin_parser.YinParser() if format_of(module) == "yin" else yang_parser.YangParser()
    statement = parser.parse(reader, module.source, module.text)
    if statement is None:
        raise SchemaFault(f"pyang cannot read {module.source} again")
    return statement


def _as_yang(module: Module) -> str:
    from pyang.translators import yang

    options = {"yang_canonical": False, "yang_remove_unused_imports": False, "yang_remove_comments": False}
    context = SimpleNamespace(opts=SimpleNamespace(**options, yang_line_length=None), max_line_len=None)
    text = io.StringIO()
    yang.emit_yang(context, _parsed(module), text)
    return text.getvalue()


# ===== YIN =====


def _as_yin(schema: Schema, module: Module) -> str:
    statement = _parsed(module)
    writer = _Yin(schema, statement)
    root = writer.element(None, statement)
    etree.indent(root)
    return etree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


class _Yin:
    def __init__(self, schema: Schema, module: Statement) -> None:
        from pyang import syntax

        self._schema = schema
        self._arguments: Mapping[str, tuple[str | None, bool]] = syntax.yin_map
        self._modules = _modules_of(module)
        self._extensions: dict[str, dict[str, tuple[str | None, bool]]] = {}

    def element(self, parent: etree._Element | None, statement: Statement) -> etree._Element:
        """A statement with those in it: an element whose argument is an attribute, or an element in it."""
        namespace, name, (label, is_element) = self._meaning(statement)
        tag = f"{{{namespace}}}{name}"
        made = etree.Element(tag, nsmap=self._namespaces()) if parent is None else etree.SubElement(parent, tag)
        if label is not None and is_element:
            etree.SubElement(made, f"{{{namespace}}}{label}").text = statement.arg
        elif label is not None:
            made.set(label, statement.arg)
        for below in statement.substmts:
            if below.keyword != "_comment":
                self.element(made, below)
        return made

    def _meaning(self, statement: Statement) -> tuple[str, str, tuple[str | None, bool]]:
        """Namespace and name of a statement's element, and how its argument is written."""
        keyword = statement.raw_keyword
        if not isinstance(keyword, tuple):
            return _YIN, keyword, self._arguments[keyword]
        prefix, name = keyword
        module = self._modules[prefix]
        return self._schema.namespace_of_module[module], name, self._extensions_of(module)[name]

    def _extensions_of(self, module: str) -> Mapping[str, tuple[str | None, bool]]:
        """The extensions that a module and its submodules define."""
        if module not in self._extensions:
            parts = [part for part in self._schema.modules.values() if module in (part.name, part.belongs_to)]
            defined = [extension for part in parts for extension in _parsed(part).search("extension")]
            self._extensions[module] = {extension.arg: _argument_of(extension) for extension in defined}
        return self._extensions[module]

    def _namespaces(self) -> dict[Any, str]:
        known = self._schema.namespace_of_module
        return {None: _YIN, **{prefix: known[name] for prefix, name in self._modules.items() if name in known}}


def _modules_of(module: Statement) -> dict[str, str]:
    """The module that each prefix in a file stands for."""
    belongs = module.search_one("belongs-to")
    own = {str(argument(belongs, "prefix")): belongs.arg} if belongs else {str(argument(module, "prefix")): module.arg}
    return own | {str(argument(item, "prefix")): item.arg for item in module.search("import")}


def _argument_of(extension: Statement) -> tuple[str | None, bool]:
    found = extension.search_one("argument")
    return (None, False) if found is None else (found.arg, argument(found, "yin-element") == "true")
