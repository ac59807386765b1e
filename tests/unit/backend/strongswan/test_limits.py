"""What the backend says it can do, from what charon says of itself; settings that are checked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY, PRF
from cryptomap_backend.capabilities import DscpPolicy, Feature
from cryptomap_backend.conformance import example_manual, example_tunnel
from cryptomap_backend.contract import Backend, Unavailable
from cryptomap_backend.intent import Child, EspProposal, Intent, Mode, TunnelKind
from cryptomap_backend.load import SettingsFault, load
from cryptomap_backend.strongswan.limits import Daemon, capabilities, complaints
from cryptomap_backend.strongswan.settings import Settings

ALGORITHMS = {
    "encryption": {"AES_CBC": "aes", "3DES_CBC": "openssl", "DES_CBC": "openssl", "NULL": "openssl", "AES_CTR": "x"},
    "integrity": dict.fromkeys(("HMAC_MD5_96", "HMAC_SHA1_96", "AES_XCBC_96"), "hmac")
    | {f"HMAC_SHA2_{size}": "hmac" for size in ("256_128", "384_192", "512_256")},
    "aead": {"AES_GCM_16": "openssl", "AES_GCM_12": "openssl", "AES_GCM_8": "openssl"},
    "prf": {"PRF_HMAC_SHA1": "hmac", "PRF_HMAC_MD5": "hmac", "PRF_AES128_XCBC": "xcbc"},
    "dh": {"MODP_768": "gmp", "MODP_1024": "gmp", "MODP_1536": "gmp", "MODP_2048": "gmp", "CURVE_25519": "openssl"},
}
KERNEL = Daemon.of({"version": "5.9.8", "release": "6.1.0"}, {"plugins": ["kernel-netlink", "vici"]}, ALGORITHMS)
USER_SPACE = replace(KERNEL, plugins=frozenset({"kernel-libipsec", "kernel-netlink"}))


def test_every_algorithm_is_there_when_charon_has_all() -> None:
    able = capabilities(KERNEL, marks=True)
    assert able.esp_encryption == ENCRYPTION.keys()
    assert able.esp_integrity == INTEGRITY.keys()
    assert able.ike_prf == PRF.keys()
    assert able.dh_groups == {1, 2, 5, 14}
    assert (able.dscp_policy, able.versions) == (
        DscpPolicy.COPY_OR_FIXED,
        {"strongswan": "5.9.8", "kernel": "6.1.0"},
    )


def test_a_missing_plugin_is_a_missing_algorithm() -> None:
    without = {**ALGORITHMS, "aead": {}, "dh": {"MODP_2048": "gmp"}, "encryption": {"AES_CBC": "aes"}}
    able = capabilities(replace(KERNEL, algorithms=without), marks=True)
    assert able.esp_encryption == {"aes-cbc-128", "aes-cbc-192", "aes-cbc-256"}
    assert able.ike_encryption == {"aes-cbc-128", "aes-cbc-256"}
    assert able.dh_groups == {14}


def test_without_the_plugin_that_looks_at_them_revocation_lists_are_refused() -> None:
    tunnel = example_tunnel()
    assert tunnel.ike is not None
    listing = replace(tunnel, ike=replace(tunnel.ike, crls=("ca",)))
    (complaint,) = capabilities(KERNEL, marks=True).complaints(listing)
    assert complaint.fatal
    assert "charon has not loaded its plugin revocation" in complaint.message
    able = capabilities(replace(KERNEL, plugins=KERNEL.plugins | {"revocation"}), marks=True)
    assert not list(able.complaints(listing))
    (complaint,) = capabilities(KERNEL, marks=True, certificates=False).complaints(listing)
    assert "no directory of certificates" in complaint.message


def test_user_space_esp_has_its_limits() -> None:
    able = capabilities(USER_SPACE, marks=True)
    assert able.modes == {Mode.TUNNEL}
    assert not able.features & {Feature.AH, Feature.ESN, Feature.INITIATE_TRAFFIC}
    tunnel = replace(example_tunnel(), children=(Child("p", (EspProposal("X", esn=True),)),))
    (complaint,) = [found for found in able.complaints(tunnel) if found.fatal]
    assert "user-space ESP (kernel-libipsec) has no extended sequence numbers" in complaint.message


def test_manual_keys_are_for_another_backend() -> None:
    complaints = list(capabilities(KERNEL, marks=True).complaints(example_manual()))
    assert complaints[0].feature == TunnelKind.MANUAL
    assert "backend linux does" in complaints[0].message


def test_retransmission_timers_only_make_a_warning() -> None:
    tunnel = example_tunnel()
    assert tunnel.ike is not None
    (complaint,) = capabilities(KERNEL, marks=True).complaints(
        replace(tunnel, ike=replace(tunnel.ike, max_retransmissions=3))
    )
    assert not complaint.fatal
    assert "strongswan.conf" in complaint.message


def test_without_marking_a_dscp_is_warned_about() -> None:
    assert capabilities(KERNEL, marks=False).dscp_policy is DscpPolicy.COPY
    (complaint,) = complaints(example_tunnel(), marks=False)
    assert (complaint.feature, complaint.fatal) == ("dscp", False)
    assert not list(complaints(example_tunnel(dscp=None), marks=False))
    assert not list(complaints(example_tunnel(), marks=True))


def test_a_payload_has_one_mode_and_one_mark() -> None:
    modes = (EspProposal("A", dscp=1), EspProposal("B", mode=Mode.TRANSPORT, dscp=2))
    reachable = replace(example_tunnel(), children=(Child("p", modes),))
    dynamic = replace(reachable, kind=TunnelKind.DYNAMIC, remote=None)
    found = [(complaint.feature, complaint.fatal) for complaint in complaints(dynamic, marks=True)]
    assert found == [("dscp", False), ("mixed-modes", True)]
    (mode,) = complaints(reachable, marks=True)
    assert mode.feature == "mixed-modes"


@pytest.mark.parametrize(
    ("settings", "culprit"),
    [
        ({"sockets": "x"}, "sockets"),
        ({"socket": ""}, "socket"),
        ({"prefix": "a:b"}, "prefix"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"retry-min": 5, "retry-max": 1}, "retry_min"),
        ({"event-limit": "many"}, "event_limit"),
        ({"marking": "all"}, "marking"),
        ({"marking": {"colour": 1}}, "colour"),
    ],
)
def test_a_bad_setting_is_named(settings: dict[str, object], culprit: str) -> None:
    with pytest.raises(SettingsFault, match=culprit):
        load("strongswan", settings)


def test_settings_are_read_with_dashes_or_underscores() -> None:
    found = Settings.of({"retry-min": 2, "retry_max": 3, "prefix": "gw-1"})
    assert (found.retry_min, found.retry_max, found.prefix) == (2.0, 3.0, "gw-1")


def test_without_charon_it_is_unavailable_and_says_so() -> None:
    backend = load("strongswan", {"socket": "/nowhere/charon.vici", "timeout": 0.05})
    try:
        assert isinstance(backend, Backend)
        with pytest.raises(Unavailable):
            backend.capabilities()
        with pytest.raises(Unavailable):
            backend.observe()
        with pytest.raises(Unavailable):
            backend.reconcile(Intent())
        health = backend.health()
        assert (health.connected, health.in_sync) == (False, False)
        assert health.last_error is not None
        assert "/nowhere/charon.vici" in health.last_error
    finally:
        backend.close()
