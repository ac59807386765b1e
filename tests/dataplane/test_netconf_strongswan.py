"""From a NETCONF commit to IKE on the wire and back: cryptomapd with backend strongSwan on both ends of a wire.

Nothing is told to charon but by a commit, and nothing is known of a tunnel but by NETCONF.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from ipaddress import ip_address
from pathlib import Path

import pytest

from cryptomap_backend.linux.namespace import inside
from dataplane.charon import FEW_PLUGINS, LOCAL, PEERS, Charon, Lab, ip
from dataplane.commits import (
    GATEWAY,
    PEER,
    STOLEN,
    TEMPLATE,
    TYPES,
    certified,
    configuration,
    here,
    shared,
    there,
    up,
)
from dataplane.sites import Site, at, cleared, server
from support.server import PATIENCE, Daemon
from support.state import NS, texts

pytestmark = pytest.mark.timeout(120)

IPV4 = socket.htons(0x0800)


def test_a_commit_on_both_ends_is_a_tunnel_and_its_removal_is_none(charons: Lab, gateway: Site, peer: Site) -> None:
    peer.commit(configuration(there()))
    assert peer.state("foo1")["status"] == "waiting"
    gateway.commit(configuration(here()))
    told = gateway.hear("tunnel-up", **{"crypto-map": "foo1"})
    assert (told["local-gateway"], told["remote-gateway"]) == (LOCAL, PEERS[0])
    assert peer.hear("tunnel-up")["inbound-spi"] == told["outbound-spi"]

    mine, other = gateway.state("foo1"), peer.state("foo1")
    assert (mine["status"], other["status"]) == ("up", "up")
    assert mine["ike-sa/initiator-spi"] == other["ike-sa/initiator-spi"]
    assert (mine["ike-sa/initiator"], other["ike-sa/initiator"]) == ("true", "false")
    assert mine["child-sa/inbound-spi"] == other["child-sa/outbound-spi"]
    assert charons.ping(1, count=3)
    counted = gateway.state("foo1")
    assert (counted["statistics/input-packets"], counted["statistics/output-packets"]) == ("3", "3")

    gateway.clear()
    assert gateway.hear("tunnel-down")["reason"] == "the map left the interface"
    assert peer.hear("tunnel-down")["crypto-map"] == "foo1"
    assert (charons.gateway.connections(), charons.gateway.sas()) == ([], [])
    assert not charons.ping(1)


def test_a_template_answers_whoever_knows_the_key(charons: Lab, gateway: Site, peer: Site) -> None:
    gateway.commit(configuration(TEMPLATE.format(proof=shared(), payload="")))
    service = gateway.get("/ctx:contexts/ctx:context/ips:security-service/ips:state/ips:oper-state")
    assert texts(service, "//ips:oper-state") == ["functional"]
    peer.commit(configuration(*(there(number, initiate="on-bind") for number in (1, 2))))
    waiting = {"foo1", "foo2"}
    while waiting:
        waiting -= {peer.hear("tunnel-up")["crypto-map"]}
    assert len(charons.gateway.sas()) == 2
    assert charons.ping(1)
    assert charons.ping(2)


def test_ike_packets_have_the_dscp_of_the_ike_policy(charons: Lab, gateway: Site, peer: Site) -> None:
    with inside(charons.peer.namespace), socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, IPV4) as wire:
        wire.bind(("wire", 0x0800))
        wire.settimeout(PATIENCE)
        peer.commit(configuration(there()))
        gateway.commit(configuration(here(ikesa="<dscp>46</dscp>")))
        gateway.hear("tunnel-up")
        packets = iter(lambda: wire.recv(1 << 16), b"")
        ike = next(packet for packet in packets if packet[9] == 17 and packet[12:16] == ip_address(LOCAL).packed)
    assert (ike[1], int.from_bytes(ike[22:24], "big")) == (46 << 2, 500)


# ===== algorithms =====

IKE_SETS = [
    ("des-cbc", "md5-96", "md5", 1),
    ("triple-des-cbc", "sha1-96", "sha1", 2),
    ("aes-cbc-128", "aes-xcbc-96", "aes-xcbc-128", 5),
    ("aes-cbc-256", "sha2-256-128", "sha1", 14),
    ("aes-cbc-128", "sha2-512-256", "sha1", 2),
]
ESP_SETS = [
    ("null", "sha1-96"),
    ("des-cbc", "md5-96"),
    ("triple-des-cbc", "aes-xcbc-96"),
    ("aes-cbc-128", "sha2-256-128"),
    ("aes-cbc-256", "sha1-96"),
    ("aes-128-gcm-64", "null"),
    ("aes-128-gcm-96", "null"),
    ("aes-128-gcm-128", "null"),
    ("aes-256-gcm-64", "null"),
    ("aes-256-gcm-128", "null"),
]


def ike_set(encryption: str, hmac: str, prf: str, group: int) -> str:
    return (
        f'<encryption xmlns:t="{TYPES}">t:{encryption}</encryption><hmac xmlns:t="{TYPES}">t:{hmac}</hmac>'
        f'<prf xmlns:t="{TYPES}">t:{prf}</prf><group>{group}</group>'
    )


def esp_set(encryption: str, hmac: str) -> str:
    return f'<encryption xmlns:t="{TYPES}">t:{encryption}</encryption><hmac xmlns:t="{TYPES}">t:{hmac}</hmac>'


@pytest.mark.parametrize("first", [0, 5])
def test_one_commit_of_five_maps_and_their_algorithms(gateway: Site, peer: Site, first: int) -> None:
    sets = list(zip(range(1, 6), IKE_SETS, ESP_SETS[first:], strict=False))
    for site, side in ((peer, there), (gateway, here)):
        maps = [side(number, ike=ike_set(*ike), esp=esp_set(*esp)) for number, ike, esp in sets]
        site.commit(configuration(*maps))
    names = {f"foo{number}" for number, _, _ in sets}
    while names:
        names -= {gateway.hear("tunnel-up")["crypto-map"]}
    for number, (encryption, hmac, prf, group), (cipher, integrity) in sets:
        state = gateway.state(f"foo{number}")
        negotiated = [state[f"ike-sa/{leaf}"].rpartition(":")[2] for leaf in ("encryption", "hmac", "prf", "group")]
        assert negotiated == [encryption, hmac, prf, str(group)]
        child = [state[f"child-sa/{leaf}"].rpartition(":")[2] for leaf in ("encryption", "hmac", "transform-set")]
        assert child == [cipher, integrity, f"E-foo{number}"]


# ===== what goes wrong, in the words of an operator =====


def test_another_key_is_told_until_the_peer_s_operator_mends_it(gateway: Site, peer: Site) -> None:
    peer.commit(configuration(there(proof=shared("another key"))))
    gateway.commit(configuration(here()))
    reason = "the peer rejects our authentication: key, certificate or identities differ (AUTHENTICATION_FAILED)"
    gateway.hear("tunnel-down", reason=reason)
    assert gateway.state("foo1")["last-error"] == reason
    peer.hear("tunnel-down", reason="the peer's pre-shared key differs from ours (AUTHENTICATION_FAILED)")

    peer.commit(configuration(there()))
    gateway.hear("tunnel-up")
    assert "last-error" not in gateway.state("foo1")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ike": "<group>14</group>"}, "the peer accepts none of our IKE transform sets (NO_PROPOSAL_CHOSEN)"),
        ({"esp": esp_set("aes-cbc-256", "sha2-512-256")}, "the peer accepts none of our IPsec transform sets"
         " (NO_PROPOSAL_CHOSEN)"),
        ({"source": "10.9.9.0/24"}, "the peer does not accept our traffic selector: its crypto ACL must mirror ours"
         " (TS_UNACCEPTABLE)"),
    ],
    ids=["ike", "esp", "selector"],
)  # fmt: skip
def test_a_refusal_is_told(gateway: Site, peer: Site, changes: dict[str, str], words: str) -> None:
    peer.commit(configuration(there(**changes)))
    gateway.commit(configuration(here()))
    gateway.hear("tunnel-down", reason=words)
    state = gateway.state("foo1")
    assert state["last-error"] == words
    assert state["status"] in ("down", "negotiating")  # it is tried again and again


def test_a_peer_that_does_not_answer_is_told(charons: Lab, gateway: Site, peer: Site) -> None:
    peer.commit(configuration(there()))
    charons.cut()
    try:
        gateway.commit(configuration(here()))
        reason = "the peer does not answer: given up after 2 retransmissions"
        gateway.hear("tunnel-down", reason=reason)
        assert gateway.state("foo1")["last-error"] == reason
    finally:
        charons.mend()
    gateway.hear("tunnel-up")


def test_an_algorithm_whose_plugin_charon_lacks_is_refused(charons: Lab, tmp_path: Path, schema_cache: Path) -> None:
    """On a host of its own, whose charon has neither MD5 nor DES."""
    namespace = f"cmfew{os.getpid()}"
    ip("netns", "add", namespace)
    poor = Charon(namespace, tmp_path, FEW_PLUGINS)
    daemon = server(tmp_path / "server", schema_cache, "strongswan", {"socket": poor.socket})
    try:
        poor.start()
        daemon.start()
        with at(daemon) as site:
            site.until_connected()
            error = site.refused(configuration(here(esp=esp_set("aes-cbc-128", "md5-96"))))
            assert error.app_tag == "unsupported-algorithm"
            assert "backend strongswan cannot do ESP integrity md5-96" in (error.message or "")
            assert "ipsec-transform-set[name='E-foo1']" in (error.path or "").replace("cmi:", "").replace("ips:", "")
            site.commit(configuration(here(initiate="on-traffic")))
    finally:
        daemon.close()
        poor.stop()
        ip("netns", "delete", namespace)


# ===== changes and events =====

RENAMED = f"""
<ipsec-transform-set xmlns="{NS["ips"]}"><name>E-new</name></ipsec-transform-set>
<crypto-map xmlns="{NS["ips"]}"><name>foo2</name><ikev2>
  <payload xmlns:nc="{NS["nc"]}" nc:operation="replace"><name>all</name><match>ipv4</match>
    <transform-set>E-new</transform-set></payload></ikev2></crypto-map>"""


@pytest.mark.parametrize(
    ("edit", "effect"),
    [
        (here(2, payload="<lifetime>7200</lifetime>"), "update-in-place"),
        (RENAMED, "rekey"),
        (here(2, proof=shared("another key")), "re-establish"),
    ],
    ids=["update", "rekey", "re-establish"],
)
def test_an_edit_of_one_map_is_planned_first_and_touches_no_other(
    charons: Lab, gateway: Site, peer: Site, edit: str, effect: str
) -> None:
    peer.commit(configuration(*map(there, (1, 2, 3))))
    gateway.commit(configuration(*map(here, (1, 2, 3))))
    for _ in range(3):
        gateway.hear("tunnel-up")
    before, spi = _sas(charons), gateway.state("foo2")["child-sa/inbound-spi"]
    assert gateway.plan(configuration(edit)) == {"foo2": effect}
    assert _sas(charons) == before

    loads = _loads(charons)
    gateway.commit(configuration(edit))
    if effect == "re-establish":
        gateway.hear("tunnel-down", reason="the configuration changed")
        peer.commit(configuration(there(2, proof=shared("another key"))))
    if effect != "update-in-place":
        gateway.until("foo2", lambda state: state["status"] == "up" and state["child-sa/inbound-spi"] != spi)
    assert _loads(charons) == loads + 1
    after = _sas(charons)
    same = [name for name in before if after.get(name) == before[name]]
    assert [name.partition("/")[2].partition("@")[0] for name in same] == (
        ["foo1", "foo2", "foo3"] if effect == "update-in-place" else ["foo1", "foo3"]
    )


def _sas(charons: Lab) -> dict[str, tuple[str, ...]]:
    """What tells the SAs of each connection of the gateway apart from all others."""
    return {
        name: (ike["uniqueid"], ike["initiator-spi"], child["uniqueid"], child["spi-in"], child["spi-out"])
        for name, ike in sorted(charons.gateway.sas())
        for child in ike["child-sas"].values()
    }


def _loads(charons: Lab) -> int:
    """How many connections the gateway's charon has been told in all its life."""
    return charons.gateway.log.read_text().count(" vici connection: ")


def test_each_event_is_told_once_and_in_order(charons: Lab, gateway: Site, peer: Site) -> None:
    """Five tunnels that the peer takes down come back, and go with their maps."""
    numbers = range(1, 6)
    peer.commit(configuration(*map(there, numbers)))
    gateway.commit(configuration(*map(here, numbers)))
    assert {gateway.hear("tunnel-up")["crypto-map"] for _ in numbers} == {f"foo{number}" for number in numbers}
    told: dict[str, list[str]] = {f"foo{number}": [] for number in numbers}

    def hear(count: int) -> None:
        for _ in range(count):
            kind, leafs = gateway.next("tunnel-up", "tunnel-down")
            told[leafs["crypto-map"]].append(kind)

    for name, _ in charons.peer.sas():
        charons.peer.try_("terminate", {"ike": name, "timeout": "-1"})
    hear(10)
    gateway.clear()
    hear(5)
    assert set(map(tuple, told.values())) == {("tunnel-down", "tunnel-up", "tunnel-down")}


def test_a_rekey_of_either_sa_is_told_on_both_ends(charons: Lab, gateway: Site, peer: Site) -> None:
    """By charon's events alone, and counted once; the tunnel stays up, and its counters go on."""
    up(gateway, peer)
    first = gateway.state("foo1")
    assert charons.ping(1, count=2)
    _rekey(charons)
    told = gateway.hear("tunnel-rekeyed", sa="child-sa")
    assert told["inbound-spi"] not in (None, first["child-sa/inbound-spi"])
    assert peer.hear("tunnel-rekeyed", sa="child-sa")["inbound-spi"] == told["outbound-spi"]

    ((name, _),) = charons.gateway.sas()
    charons.gateway.vici.request("rekey", {"ike": name})
    assert gateway.hear("tunnel-rekeyed", sa="ike-sa")["remote-gateway"] == PEERS[0]
    assert peer.hear("tunnel-rekeyed", sa="ike-sa")["inbound-spi"] == told["outbound-spi"]

    assert charons.ping(1)
    after = gateway.until("foo1", lambda state: state["statistics/output-packets"] == "3")
    assert (after["status"], after["statistics/input-packets"], after["statistics/rekeys"]) == ("up", "3", "1")
    assert after["ike-sa/initiator-spi"] != first["ike-sa/initiator-spi"]
    gateway.clear()
    assert gateway.next("tunnel-rekeyed", "tunnel-up", "tunnel-down")[0] == "tunnel-down"


# ===== certificates =====


def test_certificates_prove_who_is_who(charons: Lab, gateway: Site, peer: Site) -> None:
    peer.commit(configuration(there(proof=certified(PEER, GATEWAY))))
    gateway.commit(configuration(here(proof=certified(GATEWAY, PEER))))
    gateway.hear("tunnel-up")
    assert charons.ping(1)
    assert len(charons.gateway.vici.request("get-keys")["keys"]) == 1
    gateway.clear()
    assert charons.gateway.vici.request("get-keys")["keys"] == []


def test_a_certificate_of_somebody_else_is_refused(gateway: Site, peer: Site) -> None:
    peer.commit(configuration(there(proof=certified(PEER, "somebody.example"))))
    gateway.commit(configuration(here(proof=certified(GATEWAY, PEER))))
    gateway.hear(
        "tunnel-down",
        reason="the peer rejects our authentication: key, certificate or identities differ (AUTHENTICATION_FAILED)",
    )


def test_a_revoked_certificate_is_refused(gateway: Site, peer: Site) -> None:
    proof = certified(GATEWAY, STOLEN, more="<ca-crl>ca</ca-crl>")
    gateway.commit(configuration(here(proof=proof, initiate="on-traffic")))
    peer.commit(configuration(there(proof=certified(STOLEN, GATEWAY), initiate="on-bind")))
    reason = "the peer's certificate is not of the configured CAs, has expired or was revoked"
    assert gateway.hear("tunnel-down")["reason"] == reason
    assert peer.hear("tunnel-down")["reason"].endswith("(AUTHENTICATION_FAILED)")


def test_a_certificate_that_is_not_there_is_named(gateway: Site) -> None:
    error = gateway.refused(configuration(here(proof=certified("nobody", PEER))))
    assert error.app_tag == "backend-capability"
    assert "nobody.crt: No such file or directory" in (error.message or "")
    assert gateway.state("foo1") == {}


# ===== losses and restarts =====

KEEPALIVE = "<keepalive><interval>1</interval></keepalive>"


def test_a_lost_peer_comes_back(charons: Lab, gateway: Site, peer: Site) -> None:
    up(gateway, peer, more=KEEPALIVE)
    charons.cut()
    try:
        gateway.hear("tunnel-down", reason="the peer does not answer: given up after 2 retransmissions")
        assert gateway.state("foo1")["status"] in ("down", "negotiating")
    finally:
        charons.mend()
    gateway.hear("tunnel-up")
    assert charons.ping(1)


def test_charon_dies_and_is_started_again(charons: Lab, gateway: Site, peer: Site) -> None:
    """The server goes on, says what is wrong, refuses what it cannot do, and mends it when charon is back."""
    up(gateway, peer)
    assert charons.ping(1, count=2)
    assert gateway.state("foo1")["statistics/output-packets"] == "2"
    charons.gateway.kill()
    try:
        state = gateway.state("foo1")
        assert state["status"] == "unknown"
        assert f"charon at {charons.gateway.socket}" in state["last-error"]
        assert gateway.backend("health") == "unavailable"
        error = gateway.refused(configuration(here(2)))
        assert (error.tag, error.app_tag) == ("operation-failed", "backend-unavailable")
    finally:
        charons.gateway.start()
    gateway.hear("tunnel-up")
    assert gateway.backend("health") == "connected"
    assert charons.ping(1, patience=10)  # the peer has to find out that the older SA is no use any more
    assert int(gateway.state("foo1")["statistics/output-packets"]) >= 3


def test_a_hanging_charon_does_not_hang_the_server(
    charons: Lab, servers: tuple[Daemon, Daemon], gateway: Site, peer: Site
) -> None:
    """A commit is answered when the backend's patience ends; meanwhile others read as ever."""
    up(gateway, peer)
    answered: list[str] = []

    def commit() -> None:
        error = gateway.refused(configuration(here(2)))
        answered.append(error.message or "")

    os.kill(charons.gateway.pid, signal.SIGSTOP)
    try:
        waiting = threading.Thread(target=commit)
        waiting.start()
        with at(servers[0]) as other:
            assert texts(other.get("/ctx:contexts/ctx:context/ips:crypto-map/ips:name"), "//ips:name") == ["foo1"]
            assert not answered
        waiting.join()
    finally:
        os.kill(charons.gateway.pid, signal.SIGCONT)
    assert f"charon at {charons.gateway.socket}: did not answer" in answered[0]
    gateway.commit(configuration(here(2)))
    assert gateway.state("foo1")["status"] == "up"


def test_a_killed_server_finds_its_tunnels_as_they_were(
    charons: Lab, servers: tuple[Daemon, Daemon], peer: Site
) -> None:
    """With their SAs, and with what they have carried: also by an SA that a rekey has ended."""
    with cleared(servers[0]) as gateway:
        up(gateway, peer)
        first = gateway.state("foo1")["child-sa/inbound-spi"]
        assert charons.ping(1, count=2)
        _rekey(charons)
        before = gateway.until("foo1", lambda state: state["statistics/rekeys"] == "1")
        assert before["child-sa/inbound-spi"] != first
        assert charons.ping(1)
    servers[0].kill()
    servers[0].start()
    with at(servers[0]) as again:
        after = again.state("foo1")
        assert after["child-sa/inbound-spi"] == before["child-sa/inbound-spi"]
        assert before["statistics/output-packets"] == "2"
        assert (after["statistics/output-packets"], after["statistics/rekeys"]) == ("3", "1")
        again.clear()
        again.hear("tunnel-down", reason="the map left the interface")


def _rekey(charons: Lab) -> None:
    """As when the lifetime of the child SA nears its end."""
    ((_, report),) = charons.gateway.sas()
    (child,) = report["child-sas"].values()
    charons.gateway.vici.request("rekey", {"child-id": child["uniqueid"]})
