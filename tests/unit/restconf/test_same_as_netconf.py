"""An edit over RESTCONF and the same one over NETCONF give the same tree, and are refused alike."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from support.lab import Client, Lab, open_lab
from support.web import Web, web

Edit: TypeAlias = tuple[str, str, dict[str, Any]]
"""(method, name of a door, its leafs)"""

LEAFS = st.fixed_dictionaries(
    {},
    optional={
        "colour": st.sampled_from(["red", "green", "mauve"]),
        "width": st.sampled_from([10, 300, 301]),
        "neighbour": st.sampled_from(["a", "b", "c"]),
    },
)
EDITS = st.lists(
    st.tuples(st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]), st.sampled_from("abc"), LEAFS), max_size=6
)
OPERATIONS = {"POST": "create", "PUT": "replace", "PATCH": "merge", "DELETE": "delete"}


async def over_restconf(alice: Web, edit: Edit) -> bool:
    method, name, leafs = edit
    target = "/data/doors:doors" if method == "POST" else f"/data/doors:doors/door={name}"
    body: object = b"" if method == "DELETE" else {"doors:door": [{"name": name, **leafs}]}
    return (await alice.ask(method, target, body)).status < 300


async def over_netconf(bob: Client, edit: Edit) -> bool:
    """Plain patch is for what is there only: NETCONF has no such operation, so it is asked before."""
    method, name, leafs = edit
    if method == "PATCH" and f"<name>{name}</name>" not in await bob.doors():
        return False
    inner = "".join(f"<{leaf}>{value}</{leaf}>" for leaf, value in leafs.items() if method != "DELETE")
    reply = await bob.edit(
        f'<door nc:operation="{OPERATIONS[method]}"><name>{name}</name>{inner}</door>',
        more="<default-operation>none</default-operation>",
    )
    if reply != "<ok/>" or await bob.rpc("<commit/>") != "<ok/>":
        await bob.rpc("<discard-changes/>")
        return False
    return True


async def both(directory: Path, edits: list[Edit]) -> None:
    labs = [await open_lab(directory / name) for name in ("restconf", "netconf")]
    try:
        alice, bob = web(labs[0]), await labs[1].connect("alice")
        for edit in edits:
            assert await over_restconf(alice, edit) == await over_netconf(bob, edit), edit
            assert doors_of(labs[0]) == doors_of(labs[1]), edit
        assert labs[0].datastores.head == labs[1].datastores.head
    finally:
        for lab in labs:
            await lab.stop()


def doors_of(lab: Lab) -> object:
    assert not lab.datastores.modified
    return lab.datastores.running.root


@settings(max_examples=25, deadline=None)
@given(EDITS)
def test_the_same_edits_give_the_same_tree(edits: list[Edit]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(both(Path(directory), edits))
