"""Views: configuration with state that is asked for where a reader goes."""

from __future__ import annotations

import time

import pytest

from cryptomap.data.path import text_of
from cryptomap.data.tree import KeylessEntries, Node, Path, Value
from cryptomap.data.view import Provider, View, materialize
from cryptomap.data.xml import write
from cryptomap.schema.nodes import DataNode, InnerNode
from support.shop import content, shop_schema, tree, xml

SOLD = "/shop:shop/item/sold"
STATE = "/shop:shop/item/state"
STATUS = "/shop:status"


def item(number: int, inner: str = "") -> str:
    return f"<item><id>{number}</id>{inner}</item>"


class Asked:
    """Providers that answer something simple and remember where they were asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def sold(self, path: Path) -> Value | None:
        self.paths.append(text_of(path))
        return str(path[1][1]) + "0"

    def state(self, path: Path) -> Value | None:
        self.paths.append(text_of(path))
        return inner(STATE, {"hits": "3"})

    def providers(self) -> dict[str, Provider]:
        return {SOLD: self.sold, STATE: self.state}


def inner(path: str, slots: dict[str, Value]) -> Node:
    schema = shop_schema().find(path)
    assert isinstance(schema, InnerNode)
    node = Node.empty(schema)
    for name, value in slots.items():
        node = node.with_slot(schema.child(name).slot, value)
    return node


def written(view: View) -> str:
    text = b"".join(write(shop_schema(), view)).decode()
    return text.removeprefix('<shop xmlns="urn:shop">').removesuffix("</shop>")


def test_a_view_without_providers_is_the_configuration() -> None:
    root = tree("<name>x</name>" + item(1))
    view = View(root)
    assert view.materialize() is root
    assert written(view) == content(root)


def test_state_stands_where_it_belongs() -> None:
    asked = Asked()
    view = View(tree(item(1) + item(2)), asked.providers())
    assert written(view) == "".join(
        f"<item><id>{n}</id><sold>{n}0</sold><state><hits>3</hits></state></item>" for n in (1, 2)
    )
    assert asked.paths == [
        "/shop:shop/item[id='1']/sold",
        "/shop:shop/item[id='1']/state",
        "/shop:shop/item[id='2']/sold",
        "/shop:shop/item[id='2']/state",
    ]


def test_state_of_entries_is_asked_while_they_are_written() -> None:
    asked = Asked()
    view = View(tree("".join(item(number) for number in range(20_000))), {SOLD: asked.sold})
    slices = write(shop_schema(), view)
    next(slices)
    assert 0 < len(asked.paths) < 10_000
    assert sum(1 for _ in slices) > 5
    assert len(asked.paths) == 20_000


def test_state_at_the_top_is_a_provider_at_a_top_level_path() -> None:
    def status(path: Path) -> Value | None:
        events = KeylessEntries([inner("/shop:status/event", {"text": text}) for text in "ba"])
        return inner(STATUS, {"uptime": "5", "event": events, "seen": ("x", "x")})

    view = View(Node.empty(shop_schema().root), {STATUS: status})
    assert written(view) == (
        '<status xmlns="urn:shop"><uptime>5</uptime><seen>x</seen><seen>x</seen>'
        "<event><text>b</text></event><event><text>a</text></event></status>"
    )


def test_state_inside_a_container_that_is_not_configured_is_found() -> None:
    view = View(Node.empty(shop_schema().root), {"/shop:status/uptime": lambda path: "9"})
    assert written(view) == '<status xmlns="urn:shop"><uptime>9</uptime></status>'


def test_a_provider_without_an_answer_leaves_nothing_behind() -> None:
    view = View(Node.empty(shop_schema().root), {"/shop:status/uptime": lambda path: None})
    assert written(view) == ""
    assert view.faults == []


def test_a_provider_that_fails_costs_its_part_only() -> None:
    def broken(path: Path) -> Value | None:
        raise OSError("the backend is gone")

    asked = Asked()
    view = View(tree(item(1)), {SOLD: broken, STATE: asked.state})
    assert written(view) == "<item><id>1</id><state><hits>3</hits></state></item>"
    assert [(text_of(fault.path), fault.reason) for fault in view.faults] == [
        ("/shop:shop/item[id='1']/sold", "OSError: the backend is gone")
    ]


def test_after_the_deadline_nobody_is_asked() -> None:
    asked = Asked()
    view = View(tree(item(1)), asked.providers(), deadline=time.monotonic() - 1)
    assert written(view) == item(1)
    assert asked.paths == []
    assert len(view.faults) == 2


def test_one_value_is_asked_alone() -> None:
    asked = Asked()
    root = tree(item(1))
    view = View(root, asked.providers())
    shop = root.node("shop:shop")
    entry = shop.entries("item").get(1)  # type: ignore[union-attr]
    assert shop is not None
    assert entry is not None
    path: Path = ((shop.schema, None), (entry.schema, 1))
    assert view.value(entry, entry.schema.child("sold"), path) == "10"
    assert view.value(entry, entry.schema.child("id"), path) == "1"
    assert asked.paths == ["/shop:shop/item[id='1']/sold"]


def test_a_materialized_view_is_a_tree_like_any_other() -> None:
    view = View(tree("<name>x</name>" + item(1)), Asked().providers())
    root = view.materialize()
    assert xml(root) == b"".join(write(shop_schema(), view)).decode()
    assert materialize(root) is root
    assert root.node("shop:shop").entries("item").get(1).text("sold") == "10"  # type: ignore[union-attr]


def test_defaults_are_shown_on_demand() -> None:
    view = View(tree(item(1)), schema=shop_schema(), defaults=True)
    assert "<item><id>1</id><price>1.0</price><stock><count>0</count></stock></item>" in written(view)
    assert "<price>" not in written(View(tree(item(1))))


def test_a_view_with_defaults_needs_the_schema() -> None:
    with pytest.raises(ValueError, match="schema"):
        View(tree(""), defaults=True)


def test_a_view_with_state_may_show_defaults_too() -> None:
    view = View(tree(item(1)), Asked().providers(), schema=shop_schema(), defaults=True)
    assert "<price>1.0</price><stock><count>0</count></stock><sold>10</sold>" in written(view)


def hidden(node: DataNode) -> bool:
    return node.name in {"label", "pin", "state", "id"}


def test_what_is_hidden_is_not_there_for_the_reader() -> None:
    asked = Asked()
    view = View(tree("<name>x</name><pin>1234</pin>" + item(1, "<label>l</label>")), asked.providers(), hide=hidden)
    assert written(view) == "<name>x</name><item><id>1</id><sold>10</sold></item>"
    assert asked.paths == ["/shop:shop/item[id='1']/sold"]


def test_a_part_with_nothing_hidden_in_it_is_shared() -> None:
    root = tree("<pin>1234</pin><shelf><name>a</name></shelf>")
    shop = View(root, hide=hidden).materialize().node("shop:shop")
    assert shop is not None
    assert shop["pin"] is None
    assert shop["shelf"] is root.node("shop:shop")["shelf"]  # type: ignore[index]
