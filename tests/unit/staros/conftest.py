"""What tests of StarOS text have in common: the schema, a vault, and short ways to import and to read XML."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree

from cryptomap.data.tree import Node
from cryptomap.data.xml import read_config
from cryptomap.datastore.secrets import Vault
from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, import_text
from support.yang import product_schema

Import = Callable[..., Imported]


@pytest.fixture(scope="session")
def schema() -> Schema:
    return product_schema()


@pytest.fixture(scope="session")
def vault() -> Vault:
    return Vault([bytes(range(64))])


@pytest.fixture(scope="session")
def configuration(schema: Schema, vault: Vault) -> Callable[[str], Node]:
    """The tree of a configuration in XML, without its <config> element; keys are sealed."""

    def read(xml: str) -> Node:
        return read_config(schema, etree.fromstring(f"<config>{xml}</config>"), vault)

    return read


@pytest.fixture(scope="session")
def take(schema: Schema, vault: Vault) -> Import:
    """Import of text that is to be taken as a whole."""

    def read(text: str, base: Node | None = None) -> Imported:
        imported = import_text(schema, text, seal=vault, base=base)
        assert imported.rejects == ()
        return imported

    return read


@pytest.fixture(scope="session")
def reasons(schema: Schema, vault: Vault) -> Callable[[str], dict[int, str]]:
    """The lines of a text that are not taken, by number, with the reasons."""

    def read(text: str) -> dict[int, str]:
        return {reject.line_number: reject.reason for reject in import_text(schema, text, seal=vault).rejects}

    return read
