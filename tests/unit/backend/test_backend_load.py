"""Backends by name, settings that are checked."""

from ipaddress import ip_address

import pytest

from cryptomap_backend.contract import Backend
from cryptomap_backend.load import BackendNotFound, SettingsFault, available, load
from cryptomap_backend.simulator import Behaviour, Faults, Peer
from cryptomap_backend.simulator.settings import Settings


def test_the_simulator_is_always_there() -> None:
    assert "simulator" in available()
    backend = load("simulator")
    assert isinstance(backend, Backend)
    assert backend.name == "simulator"


def test_an_unknown_backend_is_named_with_those_there_are() -> None:
    with pytest.raises(BackendNotFound, match=r"no backend 'vpp'; there are: .*simulator"):
        load("vpp")


@pytest.mark.parametrize(
    ("settings", "culprit"),
    [
        ({"sed": 1}, "sed"),
        ({"seed": "one"}, "seed"),
        ({"peers": {"198.51.100.1": "sleepy"}}, "sleepy"),
        ({"peers": {"nowhere": "dead"}}, "nowhere"),
        ({"peers": {"198.51.100.1": {"moods": 1}}}, "moods"),
        ({"peers": []}, "peers"),
        ({"faults": {"explode": True}}, "explode"),
        ({"faults": {"hang": "sometimes"}}, "hang"),
        ({"faults": "all"}, "faults"),
        ({"platform": {"colour": "red"}}, "colour"),
        ({"lacks": "esn"}, "lacks"),
        ({"socket": 7}, "socket"),
    ],
)
def test_a_bad_setting_is_named(settings: dict[str, object], culprit: str) -> None:
    with pytest.raises(SettingsFault, match=culprit):
        load("simulator", settings)


def test_settings_are_read_with_dashes_or_underscores() -> None:
    settings = Settings.of(
        {
            "seed": 7,
            "event-limit": 10,
            "peers": {"198.51.100.1": "dead", "2001:db8::1": {"accepts": ["B-foo"]}},
            "faults": {"fail-step": 2, "times": 1},
            "platform": {"type": "vpc-si", "crypto-hardware": True},
            "lacks": ["aes-xcbc-96", "responder"],
        }
    )
    assert (settings.seed, settings.event_limit) == (7, 10)
    assert settings.peers == {
        ip_address("198.51.100.1"): Peer(Behaviour.DEAD),
        ip_address("2001:db8::1"): Peer(accepts=("B-foo",)),
    }
    assert settings.faults == Faults(fail_step=2, times=1)
    able = settings.capabilities()
    assert able.platform is not None
    assert (able.platform.type, able.platform.crypto_hardware) == ("vpc-si", True)
    assert "aes-xcbc-96" not in able.esp_integrity | able.ike_integrity
    assert "responder" not in able.features
