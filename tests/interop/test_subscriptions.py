"""NMDA, replay, dynamic subscriptions and YANG-Push with ncclient, on the seed's configuration and its tunnels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import pytest
from lxml import etree
from ncclient import manager
from ncclient.operations import RPCError

from cryptomap_backend.simulator.peers import Behaviour, Peer
from support.server import Daemon, sample
from support.subscriber import SN, YP, establish
from support.world import WorldProcess

NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
DS = "urn:ietf:params:xml:ns:yang:ietf-datastores"
IPSEC = "urn:cryptomap:yang:cryptomap-ipsec"
CONTEXT = "urn:cryptomap:yang:cryptomap-context"
TUNNELS = f'xmlns:c="{CONTEXT}" xmlns:i="{IPSEC}"'
STATUS = "/c:contexts/c:context/c:interface/i:crypto-map/i:state/i:status"
EDIT = (
    '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
    f'<contexts xmlns="{CONTEXT}"><context><name>ipsec-d</name><ipsec-transform-set xmlns="{IPSEC}">'
    "<name>A-foo</name><dscp>%s</dscp></ipsec-transform-set></context></contexts></config>"
)


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon], world: WorldProcess) -> Daemon:
    daemon = make_daemon(settings=world.settings).start()
    with daemon.connect() as session:
        session.edit_config(target="candidate", config=sample("seed.xml"))
        session.commit()
    return daemon


@pytest.fixture
def session(server: Daemon) -> Iterator[manager.Manager]:
    with server.connect() as session:
        yield session


def asked(session: manager.Manager, operation: str) -> str:
    return str(session.dispatch(etree.fromstring(operation)))


def told(session: manager.Manager) -> str:
    notification = session.take_notification(timeout=30)
    assert notification is not None
    return str(notification.notification_xml)


def change_dscp(server: Daemon, dscp: int) -> None:
    with server.connect() as other:
        other.edit_config(target="candidate", config=EDIT % dscp)
        other.commit()


def test_get_data_shows_what_is_configured_what_is_in_use_and_where_it_comes_from(session: manager.Manager) -> None:
    reply = asked(
        session,
        f'<get-data xmlns="{NMDA}" xmlns:ds="{DS}" {TUNNELS}><datastore>ds:operational</datastore>'
        f"<xpath-filter>/c:contexts/c:context/i:ipsec-transform-set[i:name='A-foo']</xpath-filter><with-origin/></get-data>",
    )
    assert re.search(r'<contexts [^>]*or:origin="or:intended"', reply)
    assert re.search(r'<esn [^>]*or:origin="or:default"[^>]*>false</esn>', reply)


def test_a_commit_can_be_had_again(server: Daemon, session: manager.Manager) -> None:
    change_dscp(server, 46)
    change_dscp(server, 40)
    asked(
        session,
        '<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0">'
        '<filter type="xpath" xmlns:n="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications" '
        'select="/n:netconf-config-change"/><startTime>2020-01-01T00:00:00Z</startTime></create-subscription>',
    )
    messages = [told(session)]
    while "replayComplete" not in messages[-1]:
        messages.append(told(session))
    assert len(messages) >= 4  # the seed, the two changes, the end of the replay


def test_on_change_of_configuration(server: Daemon, session: manager.Manager) -> None:
    wanted = f'<yp:datastore-subtree-filter><contexts xmlns="{CONTEXT}"/></yp:datastore-subtree-filter>'
    asked(session, establish(f"<yp:datastore>ds:running</yp:datastore>{wanted}<yp:on-change/>"))
    assert "<push-update " in told(session)
    change_dscp(server, 46)
    change = told(session)
    change_dscp(server, 40)
    assert (
        "<operation>replace</operation><target>/cryptomap-context:contexts/context=ipsec-d/"
        "cryptomap-ipsec:ipsec-transform-set=A-foo/dscp</target>"
    ) in change
    assert f'<value xmlns="{YP}"><dscp xmlns="{IPSEC}">46</dscp></value>' in change


def test_on_change_of_tunnel_state(server: Daemon, session: manager.Manager, world: WorldProcess) -> None:
    wanted = f"<yp:datastore-xpath-filter {TUNNELS}>{STATUS}</yp:datastore-xpath-filter>"
    asked(session, establish(f"<yp:datastore>ds:operational</yp:datastore>{wanted}<yp:on-change/>"))
    assert told(session).count("<status>up</status>") == 2
    world.remote.set_peer(ip_address("209.165.201.1"), Peer(Behaviour.DEAD))
    world.remote.advance(100_000)  # longer than any lifetime
    change = told(session)
    world.remote.set_peer(ip_address("209.165.201.1"), Peer())
    assert "/cryptomap-ipsec:crypto-map=foo0/state/status</target>" in change
    assert "<operation>replace</operation>" in change


def test_a_subscription_that_is_refused(session: manager.Manager) -> None:
    wanted = "<yp:datastore>ds:running</yp:datastore><yp:periodic><yp:period>1</yp:period></yp:periodic>"
    with pytest.raises(RPCError) as refused:
        asked(session, establish(wanted))
    assert (refused.value.tag, refused.value.app_tag) == ("invalid-value", "ietf-yang-push:period-unsupported")
    assert SN not in str(session.get(filter=("subtree", f'<subscriptions xmlns="{SN}"/>')))
