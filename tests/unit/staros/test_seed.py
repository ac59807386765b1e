"""The seed's configuration: as corrected in samples/, and literally as printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from cryptomap.data.path import text_of
from cryptomap.data.tree import Node
from cryptomap.data.validation import validate
from cryptomap.data.xml import read_config
from cryptomap.datastore.secrets import Vault
from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, export_text, import_text
from support.yang import product_schema

Import = Callable[..., Imported]

HERE = Path(__file__).parent
SAMPLES = HERE.parents[2] / "samples"
CONTEXT = "/cryptomap-context:contexts/context[name='ipsec-d']"
INTERFACE = f"{CONTEXT}/interface[name='saegw-l1l-loopback-ipv4']"
UNSAID = [
    f"{INTERFACE}/cryptomap-ipsec:crypto-map[name='foo0']/initiate",
    f"{INTERFACE}/cryptomap-ipsec:crypto-map[name='foo1']/initiate",
    f"{CONTEXT}/cryptomap-application:application[name='srp']",
    f"{CONTEXT}/cryptomap-application:application[name='tacacs']",
]
"""What of seed.xml StarOS text cannot say: what starts a negotiation, and which applications the tunnels are for."""


def sample(vault: Vault, *, without_unsaid: bool) -> Node:
    root = etree.parse(SAMPLES / "seed.xml").getroot()
    if without_unsaid:
        for element in [*root.iter("{*}initiate"), *root.iter("{*}application")]:
            parent = element.getparent()
            assert parent is not None
            parent.remove(element)
    return read_config(product_schema(), root, vault)


def test_the_sample_text_is_the_sample_xml(take: Import, vault: Vault) -> None:
    imported = take((SAMPLES / "seed.cfg").read_text())
    assert imported.notes == ()
    assert imported.root == sample(vault, without_unsaid=True)


def test_the_sample_text_is_valid(take: Import, schema: Schema) -> None:
    validate(schema, take((SAMPLES / "seed.cfg").read_text()).root, None)


def test_the_sample_xml_as_text_lacks_these(vault: Vault, schema: Schema, take: Import) -> None:
    exported = export_text(schema, sample(vault, without_unsaid=False))
    assert [text_of(path) for path in exported.unsaid] == UNSAID
    assert take(exported.text).root == sample(vault, without_unsaid=True)


PRINTED = (HERE / "seed-printed.cfg").read_text()
WILDCARD = "the one bits of wildcard 209.165.200.250 are not all at its end, so that no prefix stands for it"
KEY = "'<hidden>' stands where 'key' is expected"
REJECTS = [
    (3, "permit tcp 209.165.200.225 209.165.200.250 209.165.200.245 209.165.200.250", WILDCARD),
    (8, "permit tcp 209.165.200.225 209.165.200.250 209.165.200.247 209.165.200.250", WILDCARD),
    (17, "authentication local pre-shared-key <hidden> <hidden>", KEY),
    (18, "authentication remote pre-shared-key <hidden> <hidden>", KEY),
]


def test_the_printed_text_has_exactly_these_rejects(schema: Schema, vault: Vault) -> None:
    imported = import_text(schema, PRINTED, seal=vault)
    assert [(reject.line_number, reject.line, reject.reason) for reject in imported.rejects] == REJECTS
    assert [(note.line_number, note.text) for note in imported.notes] == [
        (74, "'config' inside 'context ipsec-d': configuration begins anew")
    ]


CORRECTIONS = [
    ("209.165.200.250", "0.0.0.0"),
    ("encrypted_key encrypted_key", "key foo0key"),
    ("encrypted key encrypted_key", "key foo1key"),
]


def test_the_printed_text_with_its_corrections_is_the_sample(take: Import) -> None:
    """Besides the corrections, the sample has the interface, and the association in the context of the tunnels."""
    text = PRINTED
    for printed, corrected in CORRECTIONS:
        assert printed in text
        text = text.replace(printed, corrected)
    interface = "interface saegw-l1l-loopback-ipv4 loopback\nip address 209.165.202.129 255.255.255.255\n"
    text += f"config\ncontext ipsec-d\n{interface}crypto-map foo0\ncrypto-map foo1\nexit\n"
    text += "associate l2-mapping-table name l2Marktable\n"
    assert take(text).root == take((SAMPLES / "seed.cfg").read_text()).root


STEPS = """
configure
  context context_name
    ipsec transform-set set_name
      dscp {}
    exit
  exit
end
"""


@pytest.mark.parametrize(("value", "rejects"), [("0x28", []), ("dscp_value", [5])])
def test_the_steps_of_the_seed(schema: Schema, value: str, rejects: list[int]) -> None:
    imported = import_text(schema, STEPS.format(value))
    assert [reject.line_number for reject in imported.rejects] == rejects
    assert "context context_name" in export_text(schema, imported.root).text
