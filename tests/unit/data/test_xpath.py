"""XPath over a small tree: (expression, context, what it gives)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from lxml import etree

from cryptomap.data.tree import Node
from cryptomap.data.xml.read import read_config
from cryptomap.data.xpath import Cursor, Env, compile_expr, to_text
from cryptomap.schema.nodes import Schema
from cryptomap.schema.xpath import MAX_DEPTH, MAX_LENGTH, MAX_OPERATORS, XPathFault, parse
from support.yang import module, schema_of

MODULE = module(
    "fleet",
    """
  identity engine; identity diesel { base engine; } identity marine-diesel { base diesel; }
  container fleet {
    list ship {
      key name;
      leaf name { type string; }
      leaf length { type uint16; }
      leaf flag { type string; default "NO"; }
      leaf engine { type identityref { base engine; } }
      leaf state { type enumeration { enum docked { value 3; } enum sailing { value 7; } } }
      leaf marks { type bits { bit radio; bit sonar; } }
      leaf-list port { type string; ordered-by user; }
      leaf escort { type leafref { path "../../ship/name"; } }
      container crew { leaf captain { type string; } leaf size { type uint8; default 4; } }
      list cargo {
        key "kind lot"; leaf kind { type string; } leaf lot { type uint32; }
        leaf tons { type decimal64 { fraction-digits 1; } }
      }
    }
  }
  leaf season { type string; }
""",
)

DATA = """
<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><fleet xmlns="urn:fleet">
  <ship><name>ada</name><length>90</length><engine xmlns:f="urn:fleet">f:marine-diesel</engine><state>sailing</state>
    <marks>radio</marks><port>Oslo</port><port>Bergen</port><escort>bea</escort>
    <crew><captain>Eve</captain></crew>
    <cargo><kind>ore</kind><lot>10</lot><tons>1.5</tons></cargo><cargo><kind>ore</kind><lot>9</lot><tons>2.0</tons></cargo>
  </ship>
  <ship><name>bea</name><length>120</length><flag>SE</flag></ship>
  <ship><name>cid</name><length>7</length></ship>
</fleet><season xmlns="urn:fleet">autumn</season></config>
"""


@pytest.fixture(scope="module")
def schema() -> Schema:
    return schema_of(MODULE)


@pytest.fixture(scope="module")
def root(schema: Schema) -> Node:
    return read_config(schema, etree.fromstring(DATA))


def evaluate(schema: Schema, root: Node, text: str, context: str = "/") -> object:
    env = Env(schema, root)
    at = env.root
    if context != "/":
        nodes = env.evaluate(compile_expr(parse(context, {"f": "fleet"}, "fleet")), env.root)
        assert isinstance(nodes, list)
        at = nodes[0]
    value = env.evaluate(compile_expr(parse(text, {"f": "fleet"}, "fleet")), at)
    return [node.text(env) for node in value] if isinstance(value, list) else value


ADA = "/fleet/ship[name='ada']"

CASES = [
    # (expression, context, result; a node-set is the list of string-values in document order)
    ("/fleet/ship/name", "/", ["ada", "bea", "cid"]),
    ("/f:fleet/f:ship[f:length > 50]/f:name", "/", ["ada", "bea"]),
    ("ship[2]/name", "/fleet", ["bea"]),
    ("ship[last()]/name", "/fleet", ["cid"]),
    ("ship[position() < 3]/name", "/fleet", ["ada", "bea"]),
    ("ship[name = current()/escort]", ADA, []),
    ("../ship[name = current()/escort]/length", ADA, ["120"]),
    ("deref(escort)/../flag", ADA, ["SE"]),
    ("deref(escort)/../crew/size", ADA, ["4"]),  # the default in a container nobody created
    ("flag", ADA, ["NO"]),
    ("//captain", "/", ["Eve"]),
    ("//ship/*[. = '7']", "/", ["7"]),
    ("name | length", ADA, ["ada", "90"]),
    ("length | name | name", ADA, ["ada", "90"]),
    ("port", ADA, ["Oslo", "Bergen"]),
    ("port[2]", ADA, ["Bergen"]),
    ("port[. = 'Oslo']", ADA, ["Oslo"]),
    ("cargo[kind='ore'][lot='10']/tons", ADA, ["1.5"]),
    ("cargo[kind='ore'][lot='010']/tons", ADA, []),
    ("cargo/lot", ADA, ["9", "10"]),  # entries are sorted by number
    ("sum(cargo/tons)", ADA, 3.5),
    ("count(/fleet/ship)", "/", 3.0),
    ("count(../ship[length >= 90]) = 2", ADA, True),
    ("name/text()", ADA, ["ada"]),
    ("crew/captain/../../name", ADA, ["ada"]),
    ("crew/captain/ancestor::ship/name", ADA, ["ada"]),
    ("crew/captain/ancestor-or-self::*[1]", ADA, ["Eve"]),
    ("following-sibling::ship/name", ADA, ["bea", "cid"]),
    ("/fleet/ship[3]/preceding-sibling::ship[1]/name", "/", ["bea"]),
    ("self::node()/name", ADA, ["ada"]),
    ("derived-from(engine, 'f:engine')", ADA, True),
    ("derived-from(engine, 'diesel')", ADA, True),
    ("derived-from(engine, 'marine-diesel')", ADA, False),
    ("derived-from-or-self(engine, 'marine-diesel')", ADA, True),
    ("engine = 'f:marine-diesel'", ADA, True),
    ("engine = 'marine-diesel'", ADA, True),
    ("engine = 'f:diesel'", ADA, False),
    ("enum-value(state)", ADA, 7.0),
    ("bit-is-set(marks, 'radio') and not(bit-is-set(marks, 'sonar'))", ADA, True),
    ("re-match(name, '[a-c]{3}')", ADA, False),
    ("re-match(name, '[a-d]{3}')", ADA, True),
    ("concat(name, '-', length)", ADA, "ada-90"),
    ("substring('12345', 1.5, 2.6)", "/", "234"),
    ("substring('12345', 2)", "/", "2345"),
    ("substring-before('a=b', '=')", "/", "a"),
    ("substring-after('a=b', '=')", "/", "b"),
    ("translate('bar', 'abc', 'AB')", "/", "BAr"),
    ("normalize-space('  a  b ')", "/", "a b"),
    ("string-length(name)", ADA, 3.0),
    ("starts-with(name, 'ad') and contains(name, 'd')", ADA, True),
    ("round(-1.5)", "/", -1.0),
    ("floor(-1.5) + ceiling(1.2)", "/", 0.0),
    ("7 mod 3", "/", 1.0),
    ("-7 mod 3", "/", -1.0),
    ("1 div 0", "/", math.inf),
    ("string(1 div 0)", "/", "Infinity"),
    ("string(0.5)", "/", "0.5"),
    ("string(10)", "/", "10"),
    ("'1' = 1", "/", True),
    ("nothing = nothing", ADA, False),
    ("nothing != 'x'", ADA, False),
    ("length != 90", ADA, False),
    ("boolean(nothing)", ADA, False),
    ("true() and not(false())", "/", True),
    ("local-name(*[1])", "/fleet", "ship"),
    ("name(/season)", "/", "fleet:season"),
    ("namespace-uri(/season)", "/", "urn:fleet"),
    ("/season = 'autumn' or 1 div 0", "/", True),
    ("2 * 3 - 1 > 4", "/", True),
    ("string(.)", "/fleet/ship[name='bea']", "bea120SE4"),
]


@pytest.mark.parametrize(("text", "context", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_expressions(schema: Schema, root: Node, text: str, context: str, wanted: object) -> None:
    assert evaluate(schema, root, text, context) == wanted


def test_nan_is_not_a_number_and_prints_as_one(schema: Schema, root: Node) -> None:
    assert math.isnan(evaluate(schema, root, "number(name)", ADA))  # type: ignore[arg-type]
    assert evaluate(schema, root, "string(number(name))", ADA) == "NaN"


def test_a_step_with_all_keys_is_a_look_up(schema: Schema, root: Node) -> None:
    """What makes leafrefs flat: the number of instances looked at does not depend on the length of the list."""
    fleet = schema.find("/fleet:fleet/ship")
    entry = root.node("fleet:fleet").entries("ship").get("ada")  # type: ignore[union-attr]
    assert entry is not None
    ships = {f"s{number:05}": entry.with_slot(0, f"s{number:05}") for number in range(5000)}
    from cryptomap.data.tree import SortedEntries

    node = Node.empty(schema.root)
    container = Node.empty(fleet.parent).with_slot(fleet.slot, SortedEntries.build(ships))  # type: ignore[arg-type]
    big = node.with_slot(fleet.parent.slot, container)  # type: ignore[union-attr]
    env = Env(schema, big)
    found = env.evaluate(compile_expr(parse("/fleet/ship[name='s04321']/name", {}, "fleet")), env.root)
    assert to_text(found, env) == "s04321"
    assert env.visited < 6


def test_an_expression_that_looks_at_too_much_is_stopped(schema: Schema, root: Node) -> None:
    env = Env(schema, root, budget=10)
    with pytest.raises(XPathFault, match="more than 10 nodes"):
        env.evaluate(compile_expr(parse("//*[//*]", {}, "fleet")), env.root)


def test_a_cursor_knows_its_path(schema: Schema, root: Node) -> None:
    env = Env(schema, root)
    found = env.evaluate(compile_expr(parse(f"{ADA}/cargo[2]/tons", {}, "fleet")), env.root)
    assert isinstance(found, list)
    cursor = found[0]
    assert isinstance(cursor, Cursor)
    assert [(node.name, key) for node, key in cursor.path] == [
        ("fleet", None),
        ("ship", "ada"),
        ("cargo", ("ore", 10)),
        ("tons", None),
    ]
    assert cursor.keys == ("ada", ("ore", 10))


CHAINS = [
    (lambda n: "+".join(["1"] * (n + 1)), "operators"),
    (lambda n: "-" * n + "1", "operators"),
    (lambda n: " or ".join(["false()"] * (n + 1)), "operators"),
    (lambda n: "|".join(["//name"] * (n + 1)), "operators"),
    (lambda n: "=".join(["1"] * (n + 1)), "operators"),
]


@pytest.mark.parametrize(("chain", "what"), CHAINS)
def test_the_longest_chain_of_operators_and_one_beyond(
    schema: Schema, root: Node, chain: Callable[[int], str], what: str
) -> None:
    """Everything that walks an expression is recursive."""
    evaluate(schema, root, chain(MAX_OPERATORS))
    with pytest.raises(XPathFault, match=what):
        parse(chain(MAX_OPERATORS + 1), {}, None)


def test_the_deepest_nesting_and_one_beyond(schema: Schema, root: Node) -> None:
    deep = "+".join(["1"] * MAX_OPERATORS)
    assert evaluate(schema, root, "(" * (MAX_DEPTH - 1) + deep + ")" * (MAX_DEPTH - 1)) == MAX_OPERATORS
    with pytest.raises(XPathFault, match="nested too deeply"):
        parse("(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH, {}, None)


def test_the_longest_expression_and_one_beyond() -> None:
    assert parse(f"'{'x' * (MAX_LENGTH - 2)}'", {}, None)
    with pytest.raises(XPathFault, match="longer than 65536"):
        parse(f"'{'x' * (MAX_LENGTH - 1)}'", {}, None)


@pytest.mark.parametrize(
    "expression",
    [
        "//*[//* = //*]",  # all with all
        "//* = //*",
        "//*" + "/." * 5000,
        "//*" + "/ancestor-or-self::*" * 3000,
        "//*" + "/../*" * 5000,
        f"//*[contains('{'x' * 60_000}', 'y')]",  # a long text for each node
    ],
    ids=["predicates", "comparison", "self", "ancestors", "siblings", "long texts"],
)
def test_work_of_any_kind_counts(schema: Schema, root: Node, expression: str) -> None:
    env = Env(schema, root, budget=500)
    with pytest.raises(XPathFault, match="looks at more than 500 nodes"):
        env.evaluate(compile_expr(parse(expression, {}, None)), env.root)


def test_a_pattern_of_a_client_cannot_keep_the_server_busy(schema: Schema, root: Node) -> None:
    assert evaluate(schema, root, f"re-match('{'a' * 60_000}', '(a*)*b')") is False
