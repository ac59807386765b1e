"""RFC 8341: rules of access control, by section, and what users of other servers miss (rules ignored, denials that
nobody understands, rules that are lost)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from cryptomap.data.tree import Node
from cryptomap.data.view import View
from cryptomap.operations import Nacm, check_rules
from support.lab import BASE, Client, Error, Lab, door, door_schema, errors, tags
from support.nacm import NACM, nacm, rule, set_rules

OpenLab = Callable[..., Awaitable[Lab]]

DOORS = "/d:doors"
FRONT = "/d:doors/d:door[d:name='front']"
CODE = "/d:doors/d:door/d:code"
TWO = door("back", "<width>80</width>") + door("front", "<width>90</width>")


# ===== section 3.4.5: data nodes =====


async def test_3_4_5_nobody_writes_until_a_rule_permits_it(start: OpenLab) -> None:
    lab = await start(strict=True)
    alice = await lab.connect()
    assert errors(await alice.edit(door("front"))) == [
        Error(
            "access-denied",
            "alice may not create door: write-default is deny; to grant it, a recovery user adds to /nacm, in a "
            "rule-list for a group that has alice as user-name (alice is in none), a rule with path "
            "/doors:doors/door[name='front'], access-operations create, action permit",
            path=FRONT,
        )
    ]
    assert await alice.doors("candidate") == ""


async def test_user_need_7_doing_what_the_denial_says_grants_it(start: OpenLab) -> None:
    lab = await start(strict=True)
    alice = await lab.connect()
    [denial] = errors(await alice.edit(door("front")))
    path = denial.message.partition("with path ")[2].partition(", access-operations")[0]
    assert path == "/doors:doors/door[name='front']"
    granted = rule("say", "permit", path=path, access_operations="create")
    declared = granted.replace("<path>", '<path xmlns:doors="urn:doors">')
    await set_rules(lab, nacm(declared))
    assert await alice.edit(door("front")) == "<ok/>"
    assert await alice.rpc("<commit/>") == "<ok/>"


async def test_user_need_7_predicates_in_paths_count_for_writes(start: OpenLab) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("front", "permit", path=FRONT)), TWO)
    alice = await lab.connect()
    assert await alice.edit(door("front", "<width>91</width>")) == "<ok/>"
    [denial] = errors(await alice.edit(door("back", "<width>81</width>")))
    assert (denial.tag, denial.path) == ("access-denied", "/d:doors/d:door[d:name='back']/d:width")


async def test_user_need_7_rules_are_there_after_reads_and_restarts(start: OpenLab) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("front", "deny", path=FRONT, access_operations="read")), TWO)
    for _ in range(3):
        alice = await lab.connect()
        assert await alice.doors() == door("back", "<width>80</width>")
        assert await alice.doors() == door("back", "<width>80</width>")
        assert "<rule-list>" in await (await lab.connect("root")).rpc("<get/>")
    await lab.stop()
    again = await start(strict=True)
    assert await (await again.connect()).doors() == door("back", "<width>80</width>")


async def test_3_4_5_rules_are_tried_in_order(start: OpenLab) -> None:
    lab = await start(strict=True)
    first, second = rule("a", "permit", path=f"{FRONT}/d:width"), rule("b", "deny", path=FRONT)
    await set_rules(lab, nacm(first, second, rule("c", "permit", path=DOORS)), TWO)
    alice = await lab.connect()
    assert await alice.edit(door("front", "<width>91</width>")) == "<ok/>"
    assert tags(await alice.edit(door("front", "<colour>red</colour>"))) == ["access-denied"]
    assert await alice.edit(door("back", "<colour>red</colour>")) == "<ok/>"


async def test_3_4_5_a_denying_rule_is_named(start: OpenLab) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("keep out", "deny", path=DOORS, access_operations="create")))
    assert errors(await (await lab.connect()).edit(door("front"))) == [
        Error(
            "access-denied",
            "alice may not create door: rule 'keep out' of rule-list 'list' denies it; a rule before it could permit "
            "it",
            path=FRONT,
        )
    ]


ACCESSES = [
    ("create", door("side"), []),
    ("create", door("front", "<colour>red</colour>"), []),
    ("update", door("front", "<width>91</width>"), []),
    ("delete", '<door nc:operation="delete"><name>front</name></door>', []),
    ("delete", '<door><name>front</name><width nc:operation="delete"/></door>', []),
    ("create", door("front", "<width>91</width>"), ["access-denied"]),
    ("update", door("side"), ["access-denied"]),
    ("delete", door("side"), ["access-denied"]),
    ("create update", '<door nc:operation="delete"><name>front</name></door>', ["access-denied"]),
]


@pytest.mark.parametrize(("access", "edit", "refused"), ACCESSES)
async def test_3_4_5_kinds_of_access(start: OpenLab, access: str, edit: str, refused: list[str]) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("some", "permit", path=DOORS, access_operations=access)), TWO)
    assert tags_or_ok(await (await lab.connect()).edit(edit)) == refused


def tags_or_ok(reply: str) -> list[str]:
    return [] if reply == "<ok/>" else tags(reply)


async def test_3_4_5_every_denied_node_of_an_edit_is_reported(start: OpenLab) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(), TWO)
    reply = await (await lab.connect()).edit(door("back", "<width>81</width>") + door("side"))
    assert [error.path for error in errors(reply)] == [
        "/d:doors/d:door[d:name='back']/d:width",
        "/d:doors/d:door[d:name='side']",
    ]


async def test_3_4_5_deleting_takes_the_right_for_all_that_is_inside(start: OpenLab) -> None:
    lab = await start(strict=True)
    inside = rule("a", "deny", path="/d:doors/d:door/d:width", access_operations="delete")
    await set_rules(lab, nacm(inside, rule("b", "permit", path=DOORS)), TWO)
    [denial] = errors(await (await lab.connect()).edit('<door nc:operation="delete"><name>front</name></door>'))
    assert denial.path == f"{FRONT}/d:width"


async def test_3_4_5_default_marks_yield_to_rules(start: OpenLab) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("all", "permit", module_name="doors")))
    alice = await lab.connect()
    assert await alice.edit(door("front", "<owner>bob</owner>", "<code>1</code>")) == "<ok/>"
    assert await alice.rpc("<commit/>") == "<ok/>"
    assert "<code>$cm1$" in await alice.doors()


async def test_3_4_5_module_rules_are_for_their_module_only(start: OpenLab) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("m", "permit", module_name="doors", access_operations="create")))
    alice = await lab.connect()
    assert await alice.edit(door("front")) == "<ok/>"
    old = '<edit-config><target><candidate/></target><config><age xmlns="urn:old">7</age></config></edit-config>'
    assert tags(await alice.rpc(old)) == ["access-denied"]


async def test_3_4_5_the_path_of_everything(start: OpenLab) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("root", "permit", path="/", access_operations="create")))
    assert await (await lab.connect()).edit(door("front")) == "<ok/>"


async def test_3_4_5_the_name_of_the_user_in_a_path(start: OpenLab) -> None:
    lab = await start(strict=True)
    own = rule("own", "permit", path="/d:doors/d:door[d:name=$USER]")
    await set_rules(lab, nacm(own, users="alice bob"))
    alice, bob = await lab.connect("alice"), await lab.connect("bob")
    assert await alice.edit(door("alice")) == "<ok/>"
    assert await bob.edit(door("bob")) == "<ok/>"
    assert tags(await bob.edit(door("alice", "<width>80</width>"))) == ["access-denied"]


@pytest.mark.parametrize("of", ["ops", "*"])
async def test_3_3_2_groups_and_all_groups(start: OpenLab, of: str) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("all", "permit"), of=of))
    assert await (await lab.connect("alice")).edit(door("front")) == "<ok/>"
    # Without any group there are no rules (step 3), also not those for all groups.
    assert tags(await (await lab.connect("mallory")).edit(door("side"))) == ["access-denied"]


async def test_3_3_2_groups_from_the_transport(start: OpenLab) -> None:
    lab = await start(strict=True, groups=lambda user: ("ops",) if user == "carol" else ())
    await set_rules(lab, nacm(rule("all", "permit")))
    carol = await lab.connect("carol")
    assert await carol.edit(door("front")) == "<ok/>"
    root = await set_rules(
        lab, nacm(rule("all", "permit"), more="<enable-external-groups>false</enable-external-groups>")
    )
    await root.rpc("<discard-changes/>")
    assert tags(await carol.edit(door("side"))) == ["access-denied"]


async def test_3_4_5_entries_that_change_places_are_updated(start: OpenLab) -> None:
    lab = await start(strict=True)
    rules = rule("a", "permit", module_name="ietf-netconf-acm", access_operations="read create delete")
    root = await set_rules(lab, nacm(rules, rule("z", "deny", rpc_name="burn")))
    alice = await lab.connect()
    move = (
        f'<edit-config><target><candidate/></target><config><nacm xmlns="{NACM}"><rule-list><name>list</name>'
        '<rule xmlns:y="urn:ietf:params:xml:ns:yang:1" y:insert="first"><name>z</name></rule></rule-list></nacm>'
        "</config></edit-config>"
    )
    assert {error.path for error in errors(await alice.rpc(move))} == {
        f"/nacm:nacm/nacm:rule-list[nacm:name='list']/nacm:rule[nacm:name='{name}']" for name in "az"
    }
    assert await root.rpc(move) == "<ok/>"


async def test_3_2_8_a_commit_is_asked_for_what_it_changes(start: OpenLab) -> None:
    lab = await start(strict=True)
    root = await set_rules(lab, nacm(rule("front", "permit", path=FRONT)), TWO)
    alice = await lab.connect()
    assert await root.edit(door("back", "<width>81</width>")) == "<ok/>"
    assert await alice.edit(door("front", "<width>91</width>")) == "<ok/>"
    assert [error.path for error in errors(await alice.rpc("<commit/>"))] == ["/d:doors/d:door[d:name='back']/d:width"]
    assert await root.rpc("<commit/>") == "<ok/>"


async def test_3_2_9_discarding_takes_the_right_to_the_operation_only(start: OpenLab) -> None:
    lab = await start(strict=True)
    root = await set_rules(lab, nacm(), TWO)
    assert await root.edit(door("back", "<width>81</width>")) == "<ok/>"
    alice = await lab.connect()
    assert await alice.rpc("<discard-changes/>") == "<ok/>"
    assert await (await lab.connect("bob")).doors("candidate") == TWO
    await set_rules(lab, nacm(rule("d", "deny", rpc_name="discard-changes", access_operations="exec")))
    assert tags(await alice.rpc("<discard-changes/>")) == ["access-denied"]


# ===== section 3.2.4: reading =====


SOME = [
    ("deny", "/d:doors/d:door[d:name='front']", "permit", door("back", "<width>80</width>")),
    ("deny", "/d:doors/d:door[d:name='front']/d:width", "permit", door("back", "<width>80</width>") + door("front")),
    ("deny", "/d:doors/d:door/d:width", "permit", door("back") + door("front")),
    ("deny", "/d:doors", "permit", ""),
    ("permit", "/d:doors/d:door[d:name='front']", "deny", door("front", "<width>90</width>")),
    ("deny", "/", "permit", ""),
]


@pytest.mark.parametrize("read", ["get", "get-config", "filter", "key", "xpath"])
@pytest.mark.parametrize(("action", "path", "others", "seen"), SOME)
async def test_3_2_4_what_is_denied_is_left_out(
    start: OpenLab, action: str, path: str, others: str, seen: str, read: str
) -> None:
    lab = await start(strict=True)
    rest = rule("rest", others, path="/d:doors/d:door", access_operations="read")
    await set_rules(lab, nacm(rule("some", action, path=path, access_operations="read"), rest), TWO)
    alice = await lab.connect()
    doors = f'<doors xmlns="urn:doors">{seen}</doors>' if seen else ""
    requests = {
        "get": '<get><filter><doors xmlns="urn:doors"/></filter></get>',
        "get-config": "<get-config><source><running/></source></get-config>",
        "filter": '<get><filter><doors xmlns="urn:doors"><door/></doors></filter></get>',
        "key": '<get><filter><doors xmlns="urn:doors"><door><name>front</name></door><door><name>back</name></door>'
        "</doors></filter></get>",
        "xpath": '<get><filter type="xpath" select="/doors/door"/></get>',
    }
    assert await alice.rpc(requests[read]) == f'<data xmlns="{BASE}">{doors}</data>'


@pytest.mark.parametrize("select", ["//door[name='front']/width", "//door[width=90]", "/doors[door/width=90]/door"])
async def test_3_2_4_filters_do_not_find_what_is_denied(start: OpenLab, select: str) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("w", "deny", path=f"{FRONT}/d:width")), TWO)
    request = f'<get><filter type="xpath" select="{select}"/></get>'
    assert await (await lab.connect()).rpc(request) == f'<data xmlns="{BASE}"></data>'
    assert "front" in await (await lab.connect("root")).rpc(request)


async def test_3_2_4_read_default(start: OpenLab) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(more="<read-default>deny</read-default>"), TWO)
    assert await (await lab.connect()).rpc("<get/>") == f'<data xmlns="{BASE}"></data>'


async def test_3_2_4_state_of_one_entry(start: OpenLab) -> None:
    lab = await start(strict=True, providers={"/doors:doors/door/opened": lambda path: "3"})
    await set_rules(lab, nacm(rule("o", "deny", path=f"{FRONT}/d:opened")), TWO)
    shown = await (await lab.connect()).rpc('<get><filter><doors xmlns="urn:doors"/></filter></get>')
    back = door("back", "<width>80</width>", "<opened>3</opened>")
    assert (
        shown
        == f'<data xmlns="{BASE}"><doors xmlns="urn:doors">{back}{door("front", "<width>90</width>")}</doors></data>'
    )


async def test_3_2_4_entries_of_state_lists(start: OpenLab) -> None:
    lab = await start(strict=True)
    monitoring = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
    path = "/m:netconf-state/m:datastores/m:datastore[m:name='candidate']"
    denied = rule("c", "deny", path=path).replace("<path>", f'<path xmlns:m="{monitoring}">')
    await set_rules(lab, nacm(denied))
    wanted = f'<get><filter><netconf-state xmlns="{monitoring}"><datastores/></netconf-state></filter></get>'
    assert "candidate" in await (await lab.connect("root")).rpc(wanted)
    shown = await (await lab.connect()).rpc(wanted)
    assert "running" in shown
    assert "candidate" not in shown


async def test_3_4_3_errors_do_not_tell_what_is_hidden(start: OpenLab) -> None:
    """alice changes a door's neighbour away; the must that then fails is about a door she must not see."""
    lab = await start(strict=True)
    hidden = door("front", "<neighbour>back</neighbour>")
    may = [rule("r", "deny", path=FRONT, access_operations="read"), rule("w", "permit", path=DOORS)]
    await set_rules(lab, nacm(*may), door("back") + hidden)
    alice = await lab.connect()
    assert await alice.edit('<door nc:operation="delete"><name>back</name></door>') == "<ok/>"
    [error] = errors(await alice.rpc("<commit/>"))
    assert error == Error("data-missing", "something is wrong that you may not read; ask a user who may")
    [told] = errors(await (await lab.connect("root")).rpc("<commit/>"))
    assert told.path == f"{FRONT}/d:neighbour"


@pytest.mark.parametrize("hidden", [FRONT, CODE], ids=["an entry", "a leaf"])
async def test_3_4_3_a_denial_does_not_name_what_a_copy_would_delete_unseen(start: OpenLab, hidden: str) -> None:
    """alice sends back a configuration that she may read in part only; each hidden node is denied, and told once."""
    lab = await start(strict=True)
    doors = door("front", "<code>1</code>") + door("side", "<code>2</code>") + door("back")
    may = [rule("r", "deny", path=hidden), rule("w", "permit", path=DOORS)]
    await set_rules(lab, nacm(*may), doors)
    alice = await lab.connect()
    source = f'<source><config><doors xmlns="urn:doors">{door("back")}</doors></config></source>'
    reply = await alice.rpc(f"<copy-config><target><candidate/></target>{source}</copy-config>")
    if reply == "<ok/>":
        reply = await alice.rpc("<commit/>")
    assert errors(reply) == [Error("access-denied", "alice may not delete what alice may not read; ask a user who may")]


# ===== section 3.4.4: operations =====


async def test_3_4_4_operations(start: OpenLab) -> None:
    lab = await start(strict=True)
    rules = [
        rule("r", "deny", rpc_name="get-config", module_name="ietf-netconf", access_operations="exec"),
        rule("k", "permit", rpc_name="kill-session"),
        rule("b", "permit", rpc_name="burn", module_name="doors"),
        rule("x", "permit", rpc_name="delete-config", access_operations="read"),
    ]
    await set_rules(lab, nacm(*rules))
    alice, bob = await lab.connect(), await lab.connect("bob")
    assert tags(await alice.rpc("<get-config><source><running/></source></get-config>")) == ["access-denied"]
    assert tags(await alice.rpc('<burn xmlns="urn:doors"/>')) == ["operation-not-supported"]  # permitted, not there
    assert tags(await alice.rpc("<delete-config><target><startup/></target></delete-config>")) == ["access-denied"]
    assert await alice.rpc(f"<kill-session><session-id>{bob.session_id}</session-id></kill-session>") == "<ok/>"


async def test_3_4_4_exec_default_and_close_session(start: OpenLab) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("g", "permit", rpc_name="get"), more="<exec-default>deny</exec-default>"))
    alice = await lab.connect()
    assert tags(await alice.rpc("<commit/>")) == ["access-denied"]
    assert "<data" in await alice.rpc("<get/>")
    assert await alice.rpc("<close-session/>") == "<ok/>"  # always permitted (step 3)


ACTION = (
    '<action xmlns="urn:ietf:params:xml:ns:yang:1"><doors xmlns="urn:doors"><door><name>{}</name><seal/></door></doors>'
    "</action>"
)


async def test_3_1_3_actions(start: OpenLab) -> None:
    lab = await start(strict=True, handlers={"/doors:doors/door/seal": lambda path, given, origin: None})
    await set_rules(lab, nacm(rule("s", "permit", path=f"{FRONT}/d:seal", access_operations="exec")), TWO)
    alice = await lab.connect()
    assert await alice.rpc(ACTION.format("front")) == "<ok/>"
    [denial] = errors(await alice.rpc(ACTION.format("back")))
    assert (denial.tag, denial.path) == ("access-denied", "/d:doors/d:door[d:name='back']/d:seal")


async def test_3_1_3_an_action_takes_the_right_to_read_what_it_stands_in(start: OpenLab) -> None:
    lab = await start(strict=True, handlers={"/doors:doors/door/seal": lambda path, given, origin: None})
    rules = [rule("r", "deny", path=FRONT, access_operations="read"), rule("s", "permit", path=DOORS)]
    await set_rules(lab, nacm(*rules), TWO)
    assert tags(await (await lab.connect()).rpc(ACTION.format("front"))) == ["data-missing"]


# ===== section 3.4.6: notifications =====


def storm() -> Node:
    return Node(door_schema().notifications["{urn:doors}storm"], ("7", None))


SUBSCRIBE = '<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>'


@pytest.mark.parametrize(
    ("content", "arrives"),
    [
        (nacm(rule("n", "deny", notification_name="storm")), False),
        (nacm(rule("n", "deny", notification_name="storm", module_name="old")), True),
        (nacm(rule("n", "deny", module_name="doors", access_operations="read")), False),
        (nacm(rule("n", "deny", notification_name="*", access_operations="exec")), True),
        (nacm(more="<read-default>deny</read-default>"), False),
        (nacm(rule("n", "permit", notification_name="storm"), more="<read-default>deny</read-default>"), True),
    ],
)
async def test_3_4_6_notifications(start: OpenLab, content: str, arrives: bool) -> None:
    lab = await start(strict=True)
    await set_rules(lab, content)
    alice, root = await lab.connect(), await lab.connect("root")
    assert await alice.rpc(SUBSCRIBE) == "<ok/>"
    assert await root.rpc(SUBSCRIBE) == "<ok/>"
    lab.server.notify(storm())
    assert "<wind>7</wind>" in await root.receive()
    if arrives:
        assert "<wind>7</wind>" in await alice.receive()
    else:
        assert not alice.peer.unread
        assert isinstance(lab.server.access, Nacm)
        assert lab.server.access.denied_notifications == 1


async def test_3_4_6_changes_of_hidden_nodes_are_not_told(start: OpenLab) -> None:
    lab = await start(strict=True)
    root = await set_rules(lab, nacm(rule("f", "deny", path=FRONT)), TWO)
    alice = await lab.connect()
    await alice.rpc(SUBSCRIBE)
    await root.edit(door("front", "<width>91</width>") + door("back", "<width>81</width>"))
    await root.rpc("<commit/>")
    told = await alice.receive()
    assert "back" in told
    assert "front" not in told


# ===== sections 3.1.1, 3.2, 3.4.1 and 3.5: switching it, counting, and faults =====


async def test_3_3_4_1_it_can_be_switched_off(start: OpenLab) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("d", "deny"), more="<enable-nacm>false</enable-nacm>"))
    assert await (await lab.connect()).edit(door("front", "<code>1</code>")) == "<ok/>"


async def test_3_5_denials_are_counted(start: OpenLab) -> None:
    lab = await start(strict=True)
    root = await set_rules(lab, nacm())
    alice = await lab.connect()
    await alice.edit(door("front"))
    await alice.rpc("<kill-session><session-id>1</session-id></kill-session>")
    await alice.rpc("<kill-session><session-id>1</session-id></kill-session>")
    assert (
        "<denied-operations>2</denied-operations><denied-data-writes>1</denied-data-writes>"
        "<denied-notifications>0</denied-notifications>"
    ) in await root.rpc(f'<get><filter><nacm xmlns="{NACM}"/></filter></get>')
    assert "denied" not in await alice.rpc("<get/>")  # /nacm is default-deny-all


async def test_rules_take_effect_at_once(start: OpenLab) -> None:
    lab = await start(strict=True)
    alice = await lab.connect()
    assert tags(await alice.edit(door("front"))) == ["access-denied"]
    await set_rules(lab, nacm(rule("all", "permit")))
    assert await alice.edit(door("front")) == "<ok/>"
    await set_rules(lab, nacm())
    assert tags(await alice.edit(door("side"))) == ["access-denied"]


@pytest.mark.parametrize("path", ["/d:windows", "/d:doors/d:door[d:width='9']", "doors", "/d:doors/d:door/d:name/d:x"])
async def test_a_rule_for_nothing_is_refused(start: OpenLab, path: str) -> None:
    lab = await start(strict=True, datastore={"checks": [check_rules(door_schema())]})
    root = await lab.connect("root")
    content = nacm(rule("a", "permit", path="/d:doors"), rule("b", "permit", path=path))
    await root.rpc(f"<edit-config><target><candidate/></target><config>{content}</config></edit-config>")
    [error] = errors(await root.rpc("<commit/>"))
    assert (error.tag, error.app_tag) == ("invalid-value", "nacm-path")
    assert error.path == "/nacm:nacm/nacm:rule-list[nacm:name='list']/nacm:rule[nacm:name='b']/nacm:path"


@pytest.mark.parametrize("action", ["permit", "deny"])
async def test_a_rule_nobody_understands_opens_nothing(start: OpenLab, action: str) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("gone", action, path="/d:windows")), TWO)
    alice = await lab.connect()
    assert tags(await alice.edit(door("side"))) == ["access-denied"]
    assert ("back" in await alice.doors()) == (action == "permit")


def test_rules_that_cannot_be_read_close_everything(caplog: pytest.LogCaptureFixture) -> None:
    schema = door_schema()

    class Broken(Node):
        def text(self, name: str) -> str | None:
            raise RuntimeError("bits flipped")

        __getitem__ = text  # type: ignore[assignment]

    top = schema.root.by_qname["ietf-netconf-acm:nacm"]
    root = Node.empty(schema.root).with_slot(top.slot, Broken(top, (None,) * len(top.children)))
    access = Nacm(schema, lambda: root, ["root"])
    with pytest.raises(Exception, match="alice may not perform get"):
        access.execute("alice", f"{{{BASE}}}get")
    access.execute("alice", f"{{{BASE}}}close-session")
    access.execute("root", f"{{{BASE}}}get")
    hide = access.reader("alice").hide
    assert hide is not None
    assert View(root, hide=hide).hides(schema.find("/doors:doors"))
    assert "only recovery users" in caplog.text


def test_users_with_the_same_rules_share_what_is_remembered_for_them() -> None:
    schema = door_schema()
    root = Node.empty(schema.root)
    access = Nacm(schema, lambda: root)
    assert access.reader("alice") is access.reader("bob")
    assert access.reader("alice").hide is access.reader("bob").hide


async def test_prefixes_of_rules_are_those_of_the_client(start: OpenLab) -> None:
    lab = await start(strict=True)
    own = rule("q", "permit", path="/q:doors").replace("<path>", '<path xmlns:q="urn:doors">')
    root = await set_rules(lab, nacm(own))
    assert await (await lab.connect()).edit(door("front")) == "<ok/>"
    assert '<path xmlns:d="urn:doors">/d:doors</path>' in await root.rpc("<get/>")
    unknown = nacm(own.replace("q:", "z:"))
    edit = f"<edit-config><target><candidate/></target><config>{unknown}</config></edit-config>"
    assert tags(await root.rpc(edit.replace('xmlns:z="urn:doors"', ""))) == ["invalid-value"]


# ===== section 3.2.6: copies between datastores =====

COPY = "<copy-config><target><{}/></target><source><{}/></source></copy-config>"
STARTUP = "<get-config><source><startup/></source></get-config>"
SECRET = door("front", "<width>90</width><code>1234</code>")


async def test_3_2_6_saving_running_takes_the_right_to_the_operation_only(start: OpenLab) -> None:
    lab = await start(strict=True, datastore={"startup_enabled": True})
    root = await set_rules(lab, nacm(), SECRET)
    alice = await lab.connect()
    assert await alice.rpc(COPY.format("startup", "running")) == "<ok/>"
    assert "<code>" in await root.rpc(STARTUP)  # all of it, also what alice must not read


async def test_3_2_6_what_must_not_be_read_is_not_copied(start: OpenLab) -> None:
    lab = await start(strict=True, datastore={"startup_enabled": True, "writable_running": True})
    root = await set_rules(lab, nacm(rule("all", "permit", path=DOORS), of="ops"), door("front", "<width>90</width>"))
    assert await root.rpc(COPY.format("startup", "running")) == "<ok/>"
    assert await root.edit(door("front", "<width>91</width><code>1234</code>")) == "<ok/>"
    await set_more_rules(root)
    alice = await lab.connect()
    assert await alice.rpc(COPY.format("startup", "candidate")) == "<ok/>"
    assert "<door><name>front</name><width>91</width></door>" in await root.rpc(STARTUP)


async def set_more_rules(root: Client) -> None:
    """Hide codes from all but root, before the rule that permits all doors."""
    hidden = rule("codes", "deny", path=f"{DOORS}/d:door/d:code", access_operations="read")
    rules = nacm(hidden, rule("all", "permit", path="/")).replace("<nacm ", '<nacm nc:operation="replace" ', 1)
    edit = f'<edit-config><target><running/></target><config xmlns:nc="{BASE}">{rules}</config></edit-config>'
    assert await root.rpc(edit) == "<ok/>"


async def test_3_2_6_what_is_left_out_is_deleted_and_takes_that_right(start: OpenLab) -> None:
    lab = await start(strict=True)
    readers = nacm(rule("rest", "permit", path=f"{DOORS}/d:door/d:width"))
    await set_rules(lab, readers, SECRET)
    alice = await lab.connect()
    denied = errors(await alice.rpc(COPY.format("candidate", "running")))
    assert {error.tag for error in denied} == {"access-denied"}
    assert "alice may not delete what alice may not read; ask a user who may" in [error.message for error in denied]
    assert not any("code" in f"{error.path} {error.message}" for error in denied), "that there is one is not told"
    assert "<code>" in await (await lab.connect("root")).rpc(STARTUP.replace("startup", "candidate"))
