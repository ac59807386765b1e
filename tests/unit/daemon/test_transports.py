"""What is wrong with the settings of the transports is one line, before anything starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cryptomap.daemon.faults import StartFault
from cryptomap.daemon.settings import CallHome, CertToName, Settings, SettingsFault, Tls
from cryptomap.daemon.transports import Transports
from cryptomap.transport import Accounts
from support.certificates import issue


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    directory = tmp_path_factory.mktemp("tls")
    ca = issue(directory, "ca", is_ca=True)
    server = issue(directory, "server", by=ca)
    return Tls(certificate=server.certificate_file, key=server.key_file, client_ca=ca.certificate_file)


def fault(settings: Settings) -> str:
    with pytest.raises((StartFault, SettingsFault)) as caught:
        Transports(settings, Accounts({}))
    return str(caught.value)


def test_what_is_missing(tls: Tls, tmp_path: Path) -> None:
    assert fault(Settings(tls=replace(tls, key=None))) == "[tls] lacks key"
    assert fault(Settings(tls=replace(tls, certificate=None, client_ca=None))) == "[tls] lacks certificate, client-ca"
    gone = tmp_path / "gone.key"
    assert fault(Settings(tls=replace(tls, key=gone))) == f"tls: {gone}: No such file or directory"


def test_what_is_wrong_with_an_entry_of_cert_to_name(tls: Tls) -> None:
    entries = (CertToName("common-name"), CertToName("all"))
    said = fault(Settings(tls=replace(tls, cert_to_name=entries)))
    assert said.startswith("tls.cert-to-name, entry 2: map-type 'all' is none of specified, ")


def test_bad_addresses(tls: Tls) -> None:
    assert "listen address '6513' is not ADDR:PORT" in fault(Settings(tls=replace(tls, listen="6513")))
    Transports(Settings(tls=replace(tls, listen="")), Accounts({}))  # for call home only


def test_what_is_wrong_with_call_home(tls: Tls) -> None:
    assert fault(Settings(call_home={"nms": CallHome()})) == "call-home.nms has no endpoints"
    over_tls = {"nms": CallHome(transport="tls", endpoints=("192.0.2.1:4335",))}
    assert fault(Settings(call_home=over_tls)) == "call-home.nms: transport tls needs the certificates of [tls]"
    Transports(Settings(tls=tls, call_home=over_tls), Accounts({}))
    nowhere = {"nms": CallHome(endpoints=("nms",))}
    assert fault(Settings(call_home=nowhere)).startswith("call-home.nms: ")
