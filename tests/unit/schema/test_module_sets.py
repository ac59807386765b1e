"""Finding and loading modules: what is implemented, features, the library, and one clear line for every fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.features import FEATURES_OFF
from cryptomap.schema.library import module_set
from cryptomap.schema.modules import IETF_MODULES, default_module_names, load, load_sources, own_module_names
from cryptomap.schema.nodes import Schema
from cryptomap.schema.sources import Source, find_sources

Compile = Callable[..., Schema]


def _implemented(schema: Schema) -> set[str]:
    return {name for name, module in schema.modules.items() if module.implemented}


# ===== finding =====


def test_the_default_set_has_our_modules_and_what_a_server_needs() -> None:
    names = default_module_names()
    assert "cryptomap-types" in own_module_names()
    assert {*own_module_names(), *IETF_MODULES} == set(names)
    schema = load(names)
    assert _implemented(schema) >= set(names)
    assert "{urn:ietf:params:xml:ns:netconf:base:1.0}edit-config" in schema.operations
    assert schema.find("/ietf-netconf-acm:nacm").deny == "read"


def test_all_modules_of_a_users_directory_are_implemented(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / "one.yang").write_text(
        'module one { namespace "urn:1"; prefix o; include part; leaf x { type int8; } }'
    )
    (tmp_path / "part.yang").write_text(
        "// a piece\nsubmodule part { belongs-to one { prefix o; } leaf y { type int8; } }"
    )
    (below / "two@2026-01-02.yang").write_text(
        'module two { namespace "urn:2"; prefix t; revision 2026-01-02; leaf z { type int8; } }'
    )
    (tmp_path / "README").write_text("not a module")
    schema = load([], [tmp_path])
    assert _implemented(schema) == {"one", "part", "two"}
    assert schema.modules["two"].source == str(below / "two@2026-01-02.yang")
    assert schema.modules["part"].text.startswith("// a piece")
    assert [child.path for child in schema.root.children] == ["/one:x", "/one:y", "/two:z"]


def test_the_latest_revision_wins_and_an_older_one_can_be_imported(compiled: Compile) -> None:
    def revision(date: str, extra: str) -> Source:
        text = (
            f'module t {{ namespace "urn:t"; prefix t; revision {date}; typedef v {{ type int8; default {extra}; }} }}'
        )
        return Source("t", date, "yang", Path(f"t@{date}.yang"), text)

    users = """module u { namespace "urn:u"; prefix u; import t { prefix t; revision-date 2025-01-01; }
               leaf x { type t:v; } }"""
    sources = [
        Source("u", None, "yang", Path("u.yang"), users),
        revision("2025-01-01", "1"),
        revision("2026-01-01", "2"),
    ]
    schema = load_sources(["t"], sources[:1], sources[1:])
    assert schema.find("/u:x").default == "1"  # type: ignore[attr-defined]
    described = {key: (module.revision, module.implemented) for key, module in schema.modules.items()}
    assert described == {"t": ("2026-01-01", True), "t@2025-01-01": ("2025-01-01", False), "u": ("", True)}


def test_prefixes_are_unique_and_implemented_modules_have_theirs(compiled: Compile) -> None:
    schema = compiled(
        z='module z { namespace "urn:z"; prefix p; import a { prefix a; } leaf x { type a:t; } }',
        extra={"a": 'module a { namespace "urn:a"; prefix p; typedef t { type int8; } }'},
    )
    assert schema.prefix_of_module == {"z": "p", "a": "p1"}
    assert schema.module_of_namespace == {"urn:a": "a", "urn:z": "z"}
    assert schema.namespace_of_module == {"a": "urn:a", "z": "urn:z"}


# ===== implemented or imported =====


@pytest.mark.parametrize(
    ("use", "is_implemented"),
    [
        ("leaf x { type a:t; }", False),
        ("uses a:g;", False),
        ("leaf x { type identityref { base a:i; } }", False),
        ("leaf x { type string; when \". = 'a:i'\"; }", False),
        ("augment /a:c { leaf x { type int8; } }", True),
        ('leaf x { type leafref { path "/a:c/a:y"; } }', True),
        ('leaf x { type union { type int8; type leafref { path "/a:c/a:y"; } } }', True),
        ("container d { leaf x { type int8; must '/a:c'; } }", True),
        ("choice d { when '/a:c/a:y = 3'; leaf x { type int8; } }", True),
        ("deviation /a:c/a:y { deviate not-supported; }", True),
        ("leaf x { type a:ref; }", True),
    ],
)
def test_an_imported_module_is_implemented_if_its_nodes_are_needed(
    compiled: Compile, use: str, is_implemented: bool
) -> None:
    imported = """identity i; typedef t { type int8; } typedef ref { type leafref { path "/a:c/a:y"; } }
                  grouping g { leaf z { type int8; } } container c { leaf y { type int8; } }"""
    schema = compiled(b=f"import a {{ prefix a; }} {use}", extra={"a": imported})
    assert schema.modules["a"].implemented is is_implemented
    assert ("a:c" in schema.root.by_qname) is is_implemented


def test_an_imported_module_changes_nothing_in_others(compiled: Compile) -> None:
    schema = compiled(
        a="container c;",
        b="import x { prefix x; } leaf y { type x:t; }",
        extra={"x": "import a { prefix a; } typedef t { type int8; } augment /a:c { leaf z { type int8; } } rpc r;"},
    )
    assert schema.find("/a:c").by_qname == {}  # type: ignore[attr-defined]
    assert schema.operations == {}


# ===== features =====

FEATURED = """
  feature f; feature g; feature needs-f { if-feature f; }
  leaf a { if-feature f; type int8; }
  leaf b { if-feature "f and not g"; type int8; }
  leaf c { if-feature "not f or (g and needs-f)"; type int8; }
  leaf d { if-feature needs-f; if-feature g; type int8; }
  grouping group { leaf e { type int8; } leaf h { if-feature m:g; type int8; } }
  uses group { if-feature f; }
  container k; augment /k { if-feature g; leaf i { type int8; } }
  choice ch { default l; case l { if-feature f; leaf l { type int8; } } leaf m { type int8; } }
  identity base; identity one { base base; if-feature f; }
  leaf n { type enumeration { enum x; enum y { if-feature f; } enum z; } }
  leaf o { type bits { bit x { if-feature f; } bit y; } }
  rpc r { if-feature g; } notification s { if-feature g; }
"""


@pytest.mark.parametrize(
    ("on", "leafs"),
    [
        ({"f", "g", "needs-f"}, "a c d e h i k l m n o"),
        ({"f"}, "a b e k l m n o"),
        ({"g", "needs-f"}, "c i k m n o"),
        (set(), "c k m n o"),
    ],
)
def test_nodes_stand_and_fall_with_features(compiled: Compile, on: set[str], leafs: str) -> None:
    schema = compiled(m=FEATURED, features={"m": on})
    found: list[str] = []
    schema.walk(lambda node: found.append(node.name))
    assert sorted(found) == leafs.split()
    assert set(schema.modules["m"].features) == on - ({"needs-f"} if "f" not in on else set())
    (choice,) = schema.root.choices
    assert choice.default == ("l" if "f" in on else None)
    assert set(schema.identities) == {"m:base"} | ({"m:one"} if "f" in on else set())
    assert schema.find("/m:n").type.values == {"x": 0, "z": 2} | ({"y": 1} if "f" in on else {})  # type: ignore[attr-defined]
    assert schema.find("/m:o").type.positions == {"y": 1} | ({"x": 0} if "f" in on else {})  # type: ignore[attr-defined]
    assert (len(schema.operations), len(schema.notifications)) == ((1, 1) if "g" in on else (0, 0))


def test_features_are_on_unless_the_project_says_otherwise(compiled: Compile) -> None:
    schema = compiled(m=FEATURED, names=["ietf-netconf"])
    assert schema.modules["m"].features == ("f", "g", "needs-f")
    assert not set(schema.modules["ietf-netconf"].features) & set(FEATURES_OFF["ietf-netconf"])
    assert "candidate" in schema.modules["ietf-netconf"].features


def test_an_unknown_feature_is_refused(compiled: Compile) -> None:
    with pytest.raises(SchemaFault, match="module m has no feature fast, small"):
        compiled(m=FEATURED, features={"m": ["f", "small", "fast"]})


# ===== library =====


def test_the_content_id_follows_the_set(compiled: Compile) -> None:
    def content_id(text: str = FEATURED, **more: object) -> str:
        return compiled(m=text, **more).content_id

    first = content_id()
    assert first == content_id()
    others = {
        content_id(features={"m": ["f"]}),
        content_id(names=["ietf-system"]),
        content_id(FEATURED + " leaf q { type int8; }"),
    }
    deviated = content_id(d="import m { prefix m; } deviation /m:a { deviate not-supported; }")
    assert len(others | {deviated, first}) == 5


def test_the_module_set(compiled: Compile) -> None:
    schema = compiled(
        a="""module a { namespace "urn:a"; prefix a; include s; import b { prefix b; } leaf x { type b:t; } }""",
        s="submodule s { belongs-to a { prefix a; } }",
        extra={"b": "typedef t { type int8; }"},
    )
    modules = module_set(schema)
    assert modules.content_id == schema.content_id
    names = [
        [module.name for module in group] for group in (modules.implemented, modules.import_only, modules.submodules)
    ]
    assert names == [["a"], ["b"], ["s"]]
    assert modules.submodules_of(modules.implemented[0]) == modules.submodules


# ===== faults =====


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("module m { namespace 'urn:m'; prefix m;\n\n leaf x { type in8; } }", r"^m\.yang, line 3: .*in8"),
        ("module m { namespace 'urn:m'; prefix m;\n import gone { prefix g; } }", r"^m\.yang, line 2: .*gone"),
        ("module m { namespace 'urn:m'; prefix m;\n leaf x { type int8; must 'a['; } }", r"^m\.yang, line 2: "),
        (
            "module m { namespace 'urn:m'; prefix m;\n leaf x { type int8; must 'nope()'; } }",
            r"^m\.yang, line 2: .*nope",
        ),
        ("module m { namespace 'urn:m'; prefix m;\n leaf x { type string { pattern '['; } } }", r"^m\.yang, line 2: "),
        ("module m { namespace 'urn:m'; prefix m;\n leaf x { type int8; default 300; } }", r"^m\.yang, line 2: .*300"),
        ("module m { namespace 'urn:m'; prefix m;\n leaf x { type int8;", r"^m\.yang, line \d+: "),
        (
            "module m {\n namespace 'urn:m'; prefix m; leaf x { type int8; } leaf x { type int8; } }",
            r"^m\.yang, line 2: .*x",
        ),
        ("module other { namespace 'urn:m'; prefix m; }", r"^m\.yang, line 1: .*other"),
        (
            "module m { namespace 'urn:m'; prefix m;\n x:y; leaf z; uses q; }",
            r"^m\.yang, line 2: .*\(and \d+ more errors\)$",
        ),
        ("", r"^m\.yang, line "),
        ("<module", r"^m\.yang"),
    ],
)
def test_a_broken_module_is_refused_with_one_line(text: str, line: str) -> None:
    with pytest.raises(SchemaFault, match=line) as caught:
        load_sources([], [Source("m", None, "yang", Path("m.yang"), text)], [])
    assert "\n" not in str(caught.value)


def test_a_name_without_a_module_is_refused(compiled: Compile) -> None:
    with pytest.raises(SchemaFault, match="no-such-module"):
        compiled(names=["no-such-module"])
    with pytest.raises(SchemaFault, match="s: a submodule cannot be asked for"):
        compiled(names=["s"], extra={"s": "submodule s { belongs-to a { prefix a; } }"})


def test_directories_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaFault, match="nowhere is not a directory"):
        find_sources([tmp_path / "nowhere"])
    (tmp_path / "latin.yang").write_bytes(b"module latin { description '\xe9'; }")
    with pytest.raises(SchemaFault, match=r"latin\.yang: .*utf-8"):
        find_sources([tmp_path])


WORDS = [
    "leaf x",
    "type int8",
    "type leafref",
    "path '/x'",
    "container c",
    "uses g",
    "grouping g",
    "list l",
    "key x",
    "{",
    "}",
]
WORDS += [
    ";",
    "'",
    "augment /c",
    "choice h",
    "default x",
    "when 'x'",
    "refine x",
    "identity i",
    "base i",
    "typedef t",
    "enum e",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_nonsense_is_a_schema_or_a_fault(words: list[str]) -> None:
    text = f"module m {{ namespace 'urn:m'; prefix m; {' '.join(words)} }}"
    try:
        schema = load_sources([], [Source("m", None, "yang", Path("m.yang"), text)], [])
    except SchemaFault as fault:
        said = str(fault)
    else:
        said = f"m.yang {schema.content_id}"
    assert "m.yang" in said or said.startswith("pyang cannot process m")
