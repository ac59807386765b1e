"""A configuration with a node of every kind, for tests of the data room: its schema, and short ways to write trees."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from lxml import etree

from cryptomap.data.edit import edit
from cryptomap.data.tree import Node
from cryptomap.data.xml import WriteOptions, read_config, write
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.schema.modules import load_sources
from cryptomap.schema.nodes import Schema
from cryptomap.schema.sources import Source, find_sources

SHOP = """
module shop {
  yang-version 1.1; namespace "urn:shop"; prefix s;
  import cryptomap-types { prefix t; }
  identity colour; identity red { base colour; }
  container shop {
    leaf name { type string; }
    leaf open { type boolean; default true; }
    leaf pin { type string { length "4..8"; } t:secret; }
    leaf size { type uint16 { range "1..100" { error-message "no shop is that big"; error-app-tag "too-big-shop"; } } }
    leaf colour { type identityref { base colour; } }
    leaf lots { type empty; }
    leaf best { type instance-identifier { require-instance false; } }
    leaf-list tag { type string; }
    leaf-list lucky { type uint8; default 7; default 13; }
    leaf-list day { type string; ordered-by user; }
    list item {
      key id;
      leaf label { type string; }
      leaf id { type uint32; }
      leaf price { type decimal64 { fraction-digits 2; } default "1.0"; }
      container stock { leaf count { type uint32; default 0; } leaf where { type string; } }
      list part {
        key "maker serial"; leaf serial { type uint8; } leaf maker { type string; } leaf note { type string; }
      }
      leaf sold { config false; type uint32; }
      container state { config false; leaf hits { type uint32; } }
    }
    list shelf { key name; ordered-by user; leaf name { type string; } leaf width { type uint8; } }
    container sign { presence "there is one"; leaf text { type string; } }
    choice payment {
      default cash;
      case cash { leaf coins { type boolean; default true; } leaf notes { type uint8; } }
      case card {
        leaf brand { type string; }
        container terminal { leaf id { type string; } }
        choice mode { leaf offline { type empty; } leaf online { type string; default "always"; } }
      }
    }
    leaf vat { when "../name = 'taxed'"; type uint8; default 19; }
    anydata extra;
    anyxml blob;
  }
  container status {
    config false;
    leaf uptime { type uint32; }
    leaf-list seen { type string; }
    list event { leaf text { type string; } }
  }
  rpc sell { input { leaf id { type uint32; } leaf-list to { type string; } } }
}
"""

PAINT = """
module paint {
  yang-version 1.1; namespace "urn:paint"; prefix p;
  import shop { prefix s; }
  identity blue { base s:colour; }
  augment /s:shop { leaf gloss { type boolean; default false; } container finish { leaf coats { type uint8; } } }
}
"""

NAMESPACES = (
    'xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" '
    'xmlns:yang="urn:ietf:params:xml:ns:yang:1" xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0" '
    'xmlns:s="urn:shop" xmlns:p="urn:paint"'
)


@lru_cache(maxsize=1)
def shop_schema() -> Schema:
    users = [
        Source(name, None, "yang", Path(f"{name}.yang"), text) for name, text in (("shop", SHOP), ("paint", PAINT))
    ]
    ours, installed = find_sources()
    return load_sources([], users, [*ours, *installed])


def config(inner: str) -> etree._Element:
    """A ``config`` element around that XML."""
    return etree.fromstring(f"<config {NAMESPACES}>{inner}</config>")


def shop(inner: str) -> etree._Element:
    """A ``config`` element around that content of the container shop."""
    return config(f'<shop xmlns="urn:shop">{inner}</shop>')


def tree(inner: str, seal: Vault | None = None) -> Node:
    """The tree whose shop has that content."""
    return read_config(shop_schema(), shop(inner), seal)


def edited(root: Node, inner: str, default_operation: str = "merge", error_option: str = "stop-on-error") -> Node:
    """The tree after an edit of the content of shop."""
    return edit(shop_schema(), root, shop(inner), default_operation=default_operation, error_option=error_option)


def xml(root: Node, options: WriteOptions | None = None) -> str:
    """The tree as text."""
    return b"".join(write(shop_schema(), root, options)).decode()


def content(root: Node) -> str:
    """The content of shop as text; empty without a shop."""
    return xml(root).removeprefix('<shop xmlns="urn:shop">').removesuffix("</shop>")


def faults_of(caught: RpcErrors) -> list[tuple[str, str]]:
    """(error-tag, error-path) of each error."""
    return [(error.tag, str(error.path)) for error in caught.errors]


def only(caught: RpcErrors) -> RpcError:
    """The one error there is."""
    assert len(caught.errors) == 1, caught
    return caught.errors[0]


class Vault:
    """A sealer a reader of a test can follow: ``x`` becomes ``sealed(x)``."""

    def seal(self, path: str, clear: str) -> str:
        return f"sealed({clear})"

    def is_sealed(self, path: str, text: str) -> bool:
        return text.startswith("sealed(")
