"""What can be typed at the shell: lines to requests, unfinished lines to what can follow. No server, no terminal."""

from __future__ import annotations

import pytest

from cryptomap.data.tree import Path
from cryptomap.schema.nodes import Schema
from cryptomap.shell.commands import COMMANDS, Mode
from cryptomap.shell.edits import edit_xml, filter_xml, keys_filter_xml
from cryptomap.shell.faults import Fault
from cryptomap.shell.language import Request, expected, parse
from cryptomap.shell.words import Typed, typed
from support.yang import product_schema

CTX = "urn:cryptomap:yang:cryptomap-context"
IPS = "urn:cryptomap:yang:cryptomap-ipsec"
TYPES = "urn:cryptomap:yang:cryptomap-types"
RED = f'<contexts xmlns="{CTX}"><context xmlns="{CTX}"><name xmlns="{CTX}">red</name>'
END = "</context></contexts>"
GOLD = f'<ipsec-transform-set xmlns="{IPS}"><name xmlns="{IPS}">gold</name>'


@pytest.fixture(scope="module")
def schema() -> Schema:
    return product_schema()


def request(schema: Schema, line: str, mode: Mode = Mode.EDIT, at: Path = ()) -> Request:
    found = parse(schema, mode, at, line)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("line", "xml"),
    [
        ("set contexts context red", f"{RED}{END}"),
        (
            "set contexts context red ipsec-transform-set gold dscp 40",
            f'{RED}{GOLD}<dscp xmlns="{IPS}">40</dscp></ipsec-transform-set>{END}',
        ),
        (
            "set cont cont red ipsec gold dscp 0x28",  # unique abbreviations, hex
            f'{RED}{GOLD}<dscp xmlns="{IPS}">40</dscp></ipsec-transform-set>{END}',
        ),
        (
            "set contexts context red ipsec-transform-set gold encryption aes-256-gcm-128",
            f'{RED}{GOLD}<encryption xmlns="{IPS}" xmlns:cmt="{TYPES}">cmt:aes-256-gcm-128</encryption>'
            f"</ipsec-transform-set>{END}",
        ),
        (
            'set contexts context red description "a & b"',
            f'{RED}<description xmlns="{CTX}">a &amp; b</description>{END}',
        ),
    ],
)
def test_set_becomes_an_edit(schema: Schema, line: str, xml: str) -> None:
    found = request(schema, line)
    assert edit_xml(schema, found.path, found.values) == xml


def test_delete_names_what_goes(schema: Schema) -> None:
    found = request(schema, "delete contexts context red ipsec-transform-set gold")
    xml = edit_xml(schema, found.path, found.values, "delete")
    nc = "urn:ietf:params:xml:ns:netconf:base:1.0"
    gold = GOLD.replace(">", f' xmlns:nc="{nc}" nc:operation="delete">', 1)
    assert xml == f"{RED}{gold}</ipsec-transform-set>{END}"


def test_edit_goes_to_a_node_from_which_others_are_named(schema: Schema) -> None:
    here = request(schema, "edit contexts context red").path
    found = request(schema, "set ipsec-transform-set gold dscp 40", at=here)
    assert edit_xml(schema, found.path, found.values).startswith(f"{RED}{GOLD}<dscp")
    assert filter_xml(schema, here) == f"{RED}{END}"
    assert filter_xml(schema, ()) == ""


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("set qos ip-dscp-iphb-mapping 40 cos 9", "cos: '9' is not in the range 0..7"),
        ("set contexts context red crypto-map m peer foo", "peer: "),
        ("set contexts context red crypto-map m type gre", "type: 'gre' is none of "),
        ("set contexts context red ipsec-transform-set gold dscp 0x40", "dscp: '64' is not in the range 0..63"),
        ("set contexts context red ipsec-transform-set gold dscp", "dscp: a value has to follow"),
        ("set contexts context red ipsec-transform-set", "ipsec-transform-set: its name has to follow"),
        ("set contexts", "contexts: say what in it"),
        ("set foo", "there is no node of the configuration 'foo'"),
        ("set contexts context red ipsec-transform-set gold dscp 1 2", "nothing can follow dscp and its value: '2'"),
        ("edit contexts context red description", "description is a leaf: edit wants a container or a list entry"),
        ("com", "'com' can be commit or compare: write more of it"),
        ("teleport", "there is no command 'teleport'"),
        ("commit confirmed soon", "'soon' is not a number from 1 to 4294967295"),
        ("commit confirmed", "confirmed: <seconds> has to follow"),
        ("rollback", "rollback: <commit> has to follow"),
        ("load", "load: staros has to follow"),
        ("do", "do: a command of operate mode has to follow"),
        ('set contexts context "red', "a double quote has no counterpart"),
    ],
)
def test_faults_are_found_before_the_server_sees_them(schema: Schema, line: str, fault: str) -> None:
    with pytest.raises(Fault) as caught:
        parse(schema, Mode.EDIT, (), line)
    assert str(caught.value).startswith(fault)


@pytest.mark.parametrize(
    ("line", "command", "given"),
    [
        ("commit", "commit", {}),
        ('commit confirmed 60 message "ticket 7"', "commit", {"confirmed": "60", "message": "ticket 7"}),
        ("commit message x confirmed 60", "commit", {"confirmed": "60", "message": "x"}),
        ("show | compare", "show | compare", {}),
        ("history", "history", {}),
        ("history 3", "history", {"first": "3"}),
        ("history 3 running as xml", "history", {"first": "3", "second": "running", "as": "xml"}),
        ("rollback 3", "rollback", {"commit": "3"}),
        ("plan rollback 3", "plan", {"rollback": "3"}),
        ("load staros a.cfg partial", "load staros", {"file": "a.cfg", "partial": "true"}),
        (
            "trace-packet red 192.0.2.1 192.0.2.2 tos 184",
            "trace-packet",
            {"context": "red", "source-address": "192.0.2.1", "destination-address": "192.0.2.2", "tos": "184"},
        ),
        ("reapply red if m", "reapply", {"context": "red", "interface": "if", "crypto-map": "m"}),
    ],
)
def test_commands_and_what_is_given_with_them(schema: Schema, line: str, command: str, given: dict[str, str]) -> None:
    found = request(schema, line)
    assert (found.command, found.given) == (command, given)


def test_show_is_a_staros_command_when_not_editing(schema: Schema) -> None:
    assert request(schema, "show crypto map tag foo0", Mode.OPERATE).words == ("crypto", "map", "tag", "foo0")
    assert request(schema, "do show crypto map", Mode.EDIT).words == ("crypto", "map")
    assert request(schema, "show contexts context red", Mode.EDIT).path != ()


def suggested(schema: Schema, text: str, mode: Mode = Mode.EDIT) -> list[str]:
    return [one.text for one in expected(schema, mode, (), text).suggestions]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("set contexts context red interface ", []),
        ("set contexts context red crypto-map m type ", ["dynamic", "ikev2-ipv4", "ikev2-ipv6", "manual"]),
        ("set contexts context red interface if loopback ", ["false", "true"]),
        ("commit ", ["confirmed", "message"]),
        ("commit confirmed 60 ", ["message"]),
        ("history 1 2 as ", ["tree", "xml", "staros", "lines"]),
        ("load ", ["staros"]),
        ("do show qos l2-mapping-table ", ["name", "system-default"]),
        ("set nonsense ", []),
    ],
)
def test_completion_of_words(schema: Schema, text: str, words: list[str]) -> None:
    assert sorted(suggested(schema, text)) == sorted(words)


def test_completion_of_nodes_is_the_schema(schema: Schema) -> None:
    nodes = suggested(schema, "set contexts context red ")
    assert {"crypto-map", "interface", "ipsec-transform-set", "access-list", "description"} <= set(nodes)
    assert "name" not in nodes  # the key has been said
    assert "state" not in suggested(schema, "set contexts context red crypto-map m ")
    assert "description" not in suggested(schema, "edit contexts context red ")


def test_completion_of_commands_depends_on_the_mode(schema: Schema) -> None:
    assert "set" not in suggested(schema, "", Mode.OPERATE)
    assert {"set", "delete", "edit", "up", "top", "show"} <= set(suggested(schema, ""))
    assert "| compare" in suggested(schema, "show ")


def test_keys_are_asked_of_the_server(schema: Schema) -> None:
    found = expected(schema, Mode.EDIT, (), "set contexts context red crypto-map ")
    assert found.keys_of is not None
    assert keys_filter_xml(schema, found.keys_of) == (
        f'{RED}<crypto-map xmlns="{IPS}"><name xmlns="{IPS}"></name></crypto-map>{END}'
    )


def test_a_reference_is_completed_by_what_it_can_name(schema: Schema) -> None:
    found = expected(schema, Mode.EDIT, (), "set contexts context red crypto-map m match-address ")
    assert found.keys_of is not None
    assert [node.name for node, _ in found.keys_of] == ["contexts", "context", "access-list"]
    assert found.keys_of[1][1] == "red"


def test_help_comes_from_the_descriptions(schema: Schema) -> None:
    helps = {one.text: one.help for one in expected(schema, Mode.EDIT, (), "set contexts context red ").suggestions}
    assert helps["crypto-map"].startswith("A tunnel policy")
    hint = expected(schema, Mode.EDIT, (), "set contexts context red ipsec-transform-set gold dscp ").hint
    assert hint is not None
    assert hint.text == "<a number, 0 to 63>"


@pytest.mark.parametrize(
    ("text", "words", "last"),
    [
        ("", (), ""),
        ("se", (), "se"),
        ("set ", ("set",), ""),
        ('set x "a b', ("set", "x"), "a b"),
        ('set x "a b" c', ("set", "x", "a b"), "c"),
    ],
)
def test_the_word_under_the_cursor(text: str, words: tuple[str, ...], last: str) -> None:
    assert typed(text) == Typed(words, last)


def test_every_command_has_help() -> None:
    assert all(command.help for command in COMMANDS)
    assert all(argument.help for command in COMMANDS for argument in command.arguments)
