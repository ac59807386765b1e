"""The cache of compiled schemas: the same schema comes back, stale or damaged files never do."""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cryptomap.schema import modules
from cryptomap.schema.cache import dumps, load_cached, loads
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, Schema
from cryptomap.schema.sources import find_sources
from cryptomap.schema.types import LeafrefType

Compile = Callable[..., Schema]

TEXT = """module m { yang-version 1.1; namespace "urn:m"; prefix m; feature f;
  list k { key n; leaf n { type uint8; } leaf up { type leafref { path "../../k/n"; } must "../n > 3"; } }
  leaf p { type string { pattern "[a-z]+"; } } }"""

_TRANSIENT = {"_memo", "_matchers", "target_node"}


@pytest.fixture
def no_pyang(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling anything fails from now on: what still loads comes from the cache."""

    def refuse(*args: object) -> Schema:
        raise AssertionError("compiled again")

    monkeypatch.setattr("cryptomap.schema.cache.load_sources", refuse)


@pytest.fixture
def yang_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "yang"
    directory.mkdir()
    (directory / "m.yang").write_text(TEXT)
    return directory


def _facts(node: DataNode) -> tuple[object, ...]:
    """All that a schema node says, with other nodes as their paths."""
    fields = (name for kind in type(node).__mro__ for name in getattr(kind, "__slots__", ()))
    said = {name: getattr(node, name) for name in fields if name not in ("type", "parent", "__weakref__")}
    kind = node.type if isinstance(node, Leaf | LeafList) else None
    target = kind.target_path if isinstance(kind, LeafrefType) else None
    known = {name: value for name, value in vars(kind).items() if name not in _TRANSIENT} if kind else {}
    values = {name: sorted(value) if isinstance(value, frozenset) else repr(value) for name, value in known.items()}
    return node.path, node.parent and node.parent.path, target, values, repr(said)


def _all_facts(schema: Schema) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    schema.walk(lambda node: found.append(_facts(node)))
    for operation in schema.operations.values():
        found += [_facts(node) for side in (operation.input, operation.output) for node in (side, *side.children)]
    return [*found, *(_facts(notification) for notification in schema.notifications.values())]


def test_all_modules_at_once_survive_the_round_trip() -> None:
    names = [source.name for source in find_sources()[1] if not source.is_submodule]
    schema = modules.load(names)
    back = loads(dumps(schema))
    assert _all_facts(back) == _all_facts(schema)
    assert len(_all_facts(back)) > 2000
    assert (back.content_id, back.modules, back.identities) == (schema.content_id, schema.modules, schema.identities)
    assert (back.prefix_of_module, back.module_of_namespace) == (schema.prefix_of_module, schema.module_of_namespace)


def test_objects_stay_one_object(compiled: Compile) -> None:
    schema = loads(dumps(compiled(m=TEXT)))
    number, up = schema.find("/m:k/n"), schema.find("/m:k/up")
    assert isinstance(up, Leaf)
    assert isinstance(up.type, LeafrefType)
    assert up.type.target_node is number
    assert isinstance(number.parent, InnerNode)
    assert number.parent.by_tag["{urn:m}n"] is number.parent.children[0] is number
    assert up.type.parse("007") == "7"


def test_values_met_before_are_not_written(compiled: Compile) -> None:
    schema = compiled(m=TEXT)
    leaf = schema.find("/m:p")
    assert isinstance(leaf, Leaf)
    leaf.type.parse("rememberme")
    assert b"rememberme" not in dumps(schema)


def test_user_need_13_a_second_start_needs_no_pyang(
    tmp_path: Path, yang_dir: Path, request: pytest.FixtureRequest
) -> None:
    schema = load_cached(tmp_path / "cache", [], [yang_dir])
    request.getfixturevalue("no_pyang")
    assert load_cached(tmp_path / "cache", [], [yang_dir]).content_id == schema.content_id
    (file,) = (tmp_path / "cache").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("change", ["text", "features", "names", "code"])
def test_every_change_compiles_again(
    tmp_path: Path, yang_dir: Path, change: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    load_cached(tmp_path / "cache", [], [yang_dir], {})
    if change == "text":
        (yang_dir / "m.yang").write_text(TEXT.replace("uint8", "uint16"))
    if change == "code":
        monkeypatch.setattr("cryptomap.schema.cache._code_version", lambda: "another")
    request.getfixturevalue("no_pyang")
    names = ["ietf-system"] if change == "names" else []
    with pytest.raises(AssertionError, match="compiled again"):
        load_cached(tmp_path / "cache", names, [yang_dir], {"m": []} if change == "features" else {})


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:50] + b"\0\0" + b[52:], lambda b: b * 2]
)
def test_a_damaged_file_is_rebuilt(
    tmp_path: Path, yang_dir: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    load_cached(tmp_path / "cache", [], [yang_dir])
    (file,) = (tmp_path / "cache").iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    with caplog.at_level(logging.WARNING):
        schema = load_cached(tmp_path / "cache", [], [yang_dir])
    assert schema.find("/m:k/n").name == "n"
    assert "will be rebuilt" in caplog.text
    assert len(file.read_bytes()) == len(whole)


def test_a_cache_that_cannot_be_written_does_not_matter(
    tmp_path: Path, yang_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        schema = load_cached(tmp_path / "file" / "cache", [], [yang_dir])
    assert schema.find("/m:p").name == "p"
    assert "cannot be written" in caplog.text


def test_only_a_few_files_are_kept(tmp_path: Path, yang_dir: Path) -> None:
    for number in range(6):
        (yang_dir / "m.yang").write_text(TEXT.replace("leaf p", f"leaf p{number}"))
        load_cached(tmp_path / "cache", [], [yang_dir])
    assert len(list((tmp_path / "cache").iterdir())) == 4
