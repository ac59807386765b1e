"""Certificates by name: what is read, what goes to charon, and what is said of a file that is not as it should be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from cryptomap_backend.conformance import example_tunnel
from cryptomap_backend.intent import Authentication, Ike, IkeProposal, Tunnel
from cryptomap_backend.strongswan.certificates import CertificateFault, Certificates
from cryptomap_backend.strongswan.messages import Translator
from support.certificates import Issued, issue, revoke

IKE = Ike(
    (IkeProposal("I"),),
    Authentication("certificate", identity="us.example", reference="us"),
    Authentication("certificate"),
    ca_certificates=("ca",),
)


NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def ca(tmp_path: Path) -> Issued:
    return issue(tmp_path, "ca", is_ca=True)


@pytest.fixture
def directory(tmp_path: Path, ca: Issued) -> Path:
    for name in ("us", "other"):
        issue(tmp_path, name, by=ca)
    for path in tmp_path.glob("*.pem"):
        path.rename(path.with_suffix(".crt"))
    return tmp_path


def tunnel(ike: Ike = IKE) -> Tunnel:
    return replace(example_tunnel(), ike=ike)


def fault(directory: Path | None, ike: Ike = IKE) -> str:
    with pytest.raises(CertificateFault) as raised:
        Certificates(directory).of(ike)
    return str(raised.value)


def test_what_charon_is_told(directory: Path) -> None:
    connection = Translator(certificates=Certificates(directory)).connection(tunnel())
    body = connection.body
    us, ca = ((directory / name).read_text() for name in ("us.crt", "ca.crt"))
    assert body["local"] == {"auth": "pubkey", "certs": [us], "id": "us.example"}
    assert body["remote"] == {"auth": "pubkey", "cacerts": [ca], "id": "%any"}
    assert connection.shared == ()
    assert "PRIVATE" not in repr(connection)
    (key,) = connection.credentials.keys
    assert key.secret.reveal() == (directory / "us.key").read_bytes()


def test_with_revocation_lists_a_peer_of_unknown_status_is_refused(directory: Path, ca: Issued) -> None:
    path = revoke(ca, directory / "ca.crl")
    connection = Translator(certificates=Certificates(directory)).connection(tunnel(replace(IKE, crls=("ca",))))
    assert connection.body["remote"]["revocation"] == "strict"
    assert connection.credentials.revoked == (path.read_text(),)


def test_a_certificate_on_one_side_and_a_key_on_the_other(directory: Path) -> None:
    mixed = replace(IKE, remote=example_tunnel().ike.remote, ca_certificates=())  # type: ignore[union-attr]
    connection = Translator(certificates=Certificates(directory)).connection(tunnel(mixed))
    assert (connection.body["local"]["auth"], connection.body["remote"]["auth"]) == ("pubkey", "psk")
    assert len(connection.shared) == 1


def test_a_renewed_certificate_is_found_and_drops_no_sa(directory: Path) -> None:
    translator = Translator(certificates=Certificates(directory))
    (before,) = translator.connection(tunnel()).children.values()
    issue(directory, "us")
    (directory / "us.pem").rename(directory / "us.crt")
    (after,) = translator.connection(tunnel()).children.values()
    assert before.version != after.version
    assert before.generation == after.generation


def test_files_that_are_not_as_they_should_be(directory: Path) -> None:
    assert "no directory of certificates" in fault(None)
    nobody = replace(IKE, local=replace(IKE.local, reference="nobody"))
    assert fault(directory, nobody) == f"cannot read {directory}/nobody.crt: No such file or directory"
    outside = replace(IKE, local=replace(IKE.local, reference="../us"))
    assert "is not the name of a file" in fault(directory, outside)
    listing = replace(IKE, crls=("old",))
    assert f"{directory}/old.crl" in fault(directory, listing)
    (directory / "old.crl").write_text("nonsense")
    assert fault(directory, listing) == f"{directory}/old.crl is no certificate revocation list in PEM"
    unnamed = x509.CertificateRevocationListBuilder().issuer_name(x509.Name([])).last_update(NOW).next_update(NOW)
    signed = unnamed.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    (directory / "old.crl").write_bytes(signed.public_bytes(Encoding.PEM))
    assert "has no authority key identifier" in fault(directory, listing)
    (directory / "us.key").write_bytes((directory / "other.key").read_bytes())
    assert fault(directory) == f"{directory}/us.key is not the key of certificate us.crt beside it"
    (directory / "us.key").write_text("nonsense")
    assert "is no private key in PEM" in fault(directory)
    (directory / "us.crt").write_text("nonsense")
    assert fault(directory) == f"{directory}/us.crt is no certificate in PEM"


def test_complaints_are_about_certificates_only(directory: Path) -> None:
    certificates = Certificates(directory)
    assert list(certificates.complaints(IKE)) == []
    shared = example_tunnel().ike
    assert shared is not None
    assert list(certificates.complaints(replace(shared, crls=("nowhere",)))) == []
    unchecked = [one.message for one in certificates.complaints(replace(IKE, ca_certificates=()))]
    assert unchecked == ["the peer's certificate can be checked by none: list a ca-certificate"]
