"""The main job with ncclient, the Python client of most operators: the seed's configuration, committed, becomes state.

The tests of a module share a server; each leaves running as it found it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from lxml import etree
from ncclient import manager
from ncclient.operations import RPCError

from cryptomap_backend.intent import TunnelId
from support.server import Daemon, sample
from support.state import BINDINGS, INTERFACE, NS, assert_seed_is_up, text, texts
from support.world import WorldProcess

CTX = NS["ctx"]
IPS = NS["ips"]
SECOND_RULE = (
    f'<config xmlns="{NS["nc"]}"><contexts xmlns="{CTX}"><context><name>ipsec-d</name>'
    f'<access-list xmlns="{NS["acl"]}"><name>foo1</name><rule><name>rule-2</name></rule></access-list>'
    "</context></contexts></config>"
)
CONTEXT = "/cmc:contexts/cmc:context[cmc:name='ipsec-d']"
REFUSED = (
    f'<config xmlns="{NS["nc"]}"><contexts xmlns="{CTX}"><context><name>ipsec-d</name>'
    f'<ipsec-transform-set xmlns="{IPS}"><name>A-foo</name><dscp>%s</dscp></ipsec-transform-set>'
    "</context></contexts></config>"
)


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon], world: WorldProcess) -> Daemon:
    """With the seed's configuration, committed over ncclient."""
    daemon = make_daemon(settings=world.settings).start()
    with daemon.connect() as session:
        session.edit_config(target="candidate", config=sample("seed.xml"))
        session.validate("candidate")
        session.commit()
    return daemon


@pytest.fixture
def session(server: Daemon) -> Iterator[manager.Manager]:
    with server.connect() as session:
        yield session


def test_hello_has_the_capabilities_the_operations_need(session: manager.Manager) -> None:
    for capability in (
        "urn:ietf:params:netconf:base:1.0",
        "urn:ietf:params:netconf:base:1.1",
        "urn:ietf:params:netconf:capability:candidate:1.0",
        "urn:ietf:params:netconf:capability:rollback-on-error:1.0",
        "urn:ietf:params:netconf:capability:validate:1.1",
        "urn:ietf:params:netconf:capability:xpath:1.0",
        "urn:ietf:params:netconf:capability:notification:1.0",
    ):
        assert capability in session.server_capabilities
    assert any("yang-library:1.1?revision=2019-01-04&content-id=" in text for text in session.server_capabilities)


def test_the_seed_becomes_state(session: manager.Manager, world: WorldProcess) -> None:
    data = session.get().data_ele
    assert_seed_is_up(data)
    assert data.tag == f"{{{NS['nc']}}}data"
    assert texts(data, "//app:application/app:state/app:outer-dscp") == ["40", "40"]
    assert texts(data, "//ctx:context/qos:associate-l2-mapping-table/qos:table-in-use") == ["l2Marktable"] * 2
    assert text(data, "//plat:platform/plat:role") == "user-plane"
    # and what is shown as state is what the gateway has
    shown = [(int(text(data, f"{BINDINGS}[ips:name='{name}']//ips:inbound-spi"))) for name in ("foo0", "foo1")]
    there = world.spis()
    assert shown == [there[TunnelId("ipsec-d", name, INTERFACE)][0][0] for name in ("foo0", "foo1")]
    states = world.remote.observe().tunnels
    assert {sa.applied_dscp for state in states.values() for sa in state.children} == {0x28}
    assert set(states) == {TunnelId("ipsec-d", name, INTERFACE) for name in ("foo0", "foo1")}


def test_every_field_of_show_crypto_map_is_there(session: manager.Manager) -> None:
    filter_ = "/ctx:contexts/ctx:context[ctx:name='ipsec-d']/ips:crypto-map[ips:name='foo0']/ips:state"
    data = session.get(filter=("xpath", (NS, filter_))).data_ele
    state = "//ips:crypto-map[ips:name='foo0']/ips:state"
    wanted = {
        "status": "complete",
        "rule": "permit tcp 209.165.200.225 0.0.0.0 209.165.200.245 0.0.0.0",
        "remote-gateway": "209.165.201.1",
        "interface/ips:local-gateway": "209.165.202.129",
        "ike-transform/ips:transform-set": "ikesa-foo",
        "ike-transform/ips:group": "2",
        "authentication/ips:local-key-size": "7",
        "authentication/ips:remote-key-size": "7",
        "payload/ips:name": "foo-sa0",
        "payload/ips:transform/ips:transform-set": "A-foo",
        "payload/ips:transform/ips:mode": "tunnel",
        "payload/ips:transform/ips:dscp": "40",
        "dns-handling": "normal",
    }
    assert {path: text(data, f"{state}/ips:{path}") for path in wanted} == wanted


def test_get_config_with_a_subtree_filter(session: manager.Manager) -> None:
    subtree = (
        f'<contexts xmlns="{CTX}"><context><name>ipsec-d</name>'
        f'<crypto-map xmlns="{IPS}"><name>foo1</name><peer/></crypto-map></context></contexts>'
    )
    data = session.get_config("running", filter=("subtree", subtree)).data_ele
    assert _compact(data) == (
        f'<contexts xmlns="{CTX}"><context><name>ipsec-d</name><crypto-map xmlns="{IPS}"><name>foo1</name>'
        "<peer>209.165.201.2</peer></crypto-map></context></contexts>"
    )


def test_get_config_with_an_xpath_filter(session: manager.Manager) -> None:
    data = session.get_config("running", filter=("xpath", (NS, "//ips:crypto-map[ips:peer='209.165.201.2']/ips:type")))
    assert _compact(data.data_ele) == (
        f'<contexts xmlns="{CTX}"><context><name>ipsec-d</name><crypto-map xmlns="{IPS}"><name>foo1</name>'
        "<type>ikev2-ipv4</type></crypto-map></context></contexts>"
    )


def test_a_filter_that_selects_nothing(session: manager.Manager) -> None:
    data = session.get_config("running", filter=("subtree", '<nothing xmlns="urn:none"/>')).data_ele
    assert len(data) == 0


def test_a_filter_that_is_no_xpath(session: manager.Manager) -> None:
    with pytest.raises(RPCError) as caught:
        session.get_config("running", filter=("xpath", (NS, "//ips:crypto-map[")))
    assert (caught.value.tag, caught.value.type) == ("invalid-value", "protocol")
    assert caught.value.message.startswith("filter: ")


def test_get_schema(session: manager.Manager) -> None:
    module = session.get_schema("cryptomap-ipsec").data
    assert module.lstrip().startswith("module cryptomap-ipsec {")
    assert 'namespace "urn:cryptomap:yang:cryptomap-ipsec";' in module
    with pytest.raises(RPCError) as caught:
        session.get_schema("no-such-module")
    assert caught.value.tag == "invalid-value"


def test_user_need_11_every_schema_that_is_listed_can_be_had(session: manager.Manager) -> None:
    data = session.get(filter=("subtree", f'<netconf-state xmlns="{NS["ncm"]}"><schemas/></netconf-state>')).data_ele
    names = texts(data, "//ncm:schema/ncm:identifier")
    versions = texts(data, "//ncm:schema/ncm:version")
    assert {"cryptomap-ipsec", "cryptomap-qos", "ietf-netconf", "ietf-inet-types"} <= set(names)
    for name, version in zip(names, versions, strict=True):
        text = session.get_schema(name, version, "yang").data.lstrip()
        assert f"module {name}" in text, name


def test_a_refused_edit_changes_nothing(session: manager.Manager) -> None:
    before = session.get_config("candidate").data_xml
    with pytest.raises(RPCError) as caught:
        session.edit_config(target="candidate", config=REFUSED % "64")
    error = caught.value
    assert (error.tag, error.type, error.severity) == ("invalid-value", "application", "error")
    assert error.path == (
        "/cmc:contexts/cmc:context[cmc:name='ipsec-d']/cmi:ipsec-transform-set[cmi:name='A-foo']/cmi:dscp"
    )
    assert "64" in error.message
    assert session.get_config("candidate").data_xml == before


def test_a_commit_rule_refuses_with_tag_app_tag_path_and_what_to_do(session: manager.Manager) -> None:
    session.edit_config(target="candidate", config=sample("day1-violation.xml"))
    for operation in (lambda: session.validate("candidate"), session.commit):
        with pytest.raises(RPCError) as caught:
            operation()
        error = caught.value
        assert (error.tag, error.app_tag, error.type) == ("operation-failed", "day1-context", "application")
        assert error.path == (
            "/cmc:contexts/cmc:context[cmc:name='ipsec-s']/cmap:application[cmap:name='rcm']/cmap:protected-by"
        )
        assert error.message.endswith("protect the application with a crypto map of ipsec-s, or remove the dscp")
    session.discard_changes()
    assert session.get_config("candidate").data_xml == session.get_config("running").data_xml


def test_all_violations_of_a_commit_come_at_once_each_with_its_path(session: manager.Manager) -> None:
    session.edit_config(target="candidate", config=REFUSED.replace("<dscp>%s</dscp>", "<mode>transport</mode>"))
    session.edit_config(target="candidate", config=SECOND_RULE)
    with pytest.raises(RPCError) as caught:
        session.commit()
    session.discard_changes()
    assert {(error.app_tag, error.path) for error in caught.value.errlist} == {
        ("transport-mode-dscp", f"{CONTEXT}/cmi:ipsec-transform-set[cmi:name='A-foo']/cmi:dscp"),
        ("crypto-acl-single-rule", f"{CONTEXT}/cmi:crypto-map[cmi:name='foo1']/cmi:match-address"),
    }


def test_locks_between_two_sessions(server: Daemon, session: manager.Manager) -> None:
    with server.connect() as other:
        with session.locked("candidate"):
            with pytest.raises(RPCError) as caught:
                other.lock("candidate")
            assert caught.value.tag == "lock-denied"
            assert f"<session-id>{session.session_id}</session-id>" in caught.value.info
            with pytest.raises(RPCError) as caught:
                other.edit_config(target="candidate", config=REFUSED % "12")
            assert caught.value.tag == "in-use"
        with other.locked("candidate"), other.locked("running"):
            pass


def test_kill_session(server: Daemon, session: manager.Manager) -> None:
    other = server.connect()
    other.lock("running")
    session.kill_session(other.session_id)
    with session.locked("running"):  # the lock went with the session
        pass
    with pytest.raises(RPCError) as caught:
        session.kill_session(other.session_id)
    assert caught.value.tag == "invalid-value"


def test_notifications_of_a_commit_and_of_what_it_leaves_pending(server: Daemon, session: manager.Manager) -> None:
    session.create_subscription()
    with server.connect() as other:
        other.edit_config(target="candidate", config=REFUSED % "46")
        other.commit()
        other.edit_config(target="candidate", config=REFUSED % "40")
        other.commit()
        events: list[tuple[str, etree._Element]] = []
        while [name for name, _ in events].count("netconf-config-change") < 2:
            notification = session.take_notification(timeout=30)
            assert notification is not None, events
            element = etree.fromstring(notification.notification_xml.encode())[1]
            events.append((etree.QName(element).localname, element))
    names = [name for name, _ in events if name != "netconf-session-start"]
    assert names.count("crypto-map-reapply-pending") == 2  # one for each interface and crypto map
    change = next(element for name, element in events if name == "netconf-config-change")
    assert text(change, "event:changed-by/event:username") == "admin"
    assert text(change, "event:edit/event:operation") in ("merge", "replace")


def test_confirmed_commit_that_is_cancelled(session: manager.Manager) -> None:
    before = session.get_config("running").data_xml
    session.edit_config(target="candidate", config=REFUSED % "12")
    session.commit(confirmed=True, timeout="600")
    assert session.get_config("running").data_xml != before
    session.cancel_commit()
    assert session.get_config("running").data_xml == before
    session.discard_changes()


def _compact(data: etree._Element) -> str:
    """What is inside <data>, without the declarations ncclient's own element brings along."""
    text = "".join(etree.tostring(child, encoding="unicode") for child in data)
    for namespace in (NS["nc"],):
        text = text.replace(f' xmlns:nc="{namespace}"', "").replace(f' xmlns="{namespace}"', "")
    return text
