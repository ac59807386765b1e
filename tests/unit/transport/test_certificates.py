"""cert-to-name: each map type, fingerprints of the certificate and of its CA, the order of entries, and bad entries."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from cryptomap.transport.certificates import CertificateFault, CertToName, fingerprint, user_of
from support.certificates import Issued, issue

SHA512 = "06:" + ":".join(["AB"] * 64)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issue(tmp_path_factory.mktemp("ca"), "ca", is_ca=True)


NAMES = ["FooBar@Example.COM", "Gw.Example.COM", "other.example.com", "192.0.2.1", "2001:db8::1"]

MAPPED = [
    ("san-rfc822-name", NAMES, "FooBar@example.com"),
    ("san-dns-name", NAMES, "gw.example.com"),
    ("san-ip-address", NAMES, "192.0.2.1"),
    ("san-ip-address", ["2001:DB8::1"], "20010db8000000000000000000000001"),
    ("san-any", NAMES, "FooBar@example.com"),
    ("san-any", NAMES[3:], "192.0.2.1"),
    ("san-rfc822-name", NAMES[1:], None),
    ("san-dns-name", [], None),
    ("san-any", [], None),
    ("common-name", NAMES, "fred"),
]


@pytest.mark.parametrize(("map_type", "alternatives", "user"), MAPPED)
def test_map_types(tmp_path: Path, ca: Issued, map_type: str, alternatives: list[str], user: str | None) -> None:
    client = issue(tmp_path, "fred", by=ca, alternatives=alternatives)
    assert user_of([CertToName(map_type)], [client.certificate, ca.certificate]) == user


@pytest.mark.parametrize(
    ("number", "algorithm"),
    [("03", hashes.SHA224()), ("04", hashes.SHA256()), ("05", hashes.SHA384()), ("06", hashes.SHA512())],
)
def test_fingerprints(tmp_path: Path, ca: Issued, number: str, algorithm: hashes.HashAlgorithm) -> None:
    client = issue(tmp_path, "fred", by=ca)
    chain = [client.certificate, ca.certificate]
    for certificate in chain:  # of the certificate itself, or of its CA
        text = f"{number}:{certificate.fingerprint(algorithm).hex(':')}"
        assert user_of([CertToName("specified", text, "bob")], chain) == "bob"
        assert user_of([CertToName("specified", text.upper(), "bob")], chain) == "bob"
    assert user_of([CertToName("specified", text, "bob")], chain[:1]) is None


def test_the_first_entry_that_yields_a_name_counts(tmp_path: Path, ca: Issued) -> None:
    client = issue(tmp_path, "fred", by=ca, alternatives=["gw.example.com"])
    entries = [
        CertToName("specified", SHA512, "somebody else"),
        CertToName("san-rfc822-name", fingerprint(ca.certificate)),  # matches, but has no name
        CertToName("san-dns-name", fingerprint(ca.certificate)),
        CertToName("common-name"),
    ]
    chain = [client.certificate, ca.certificate]
    assert user_of(entries, chain) == "gw.example.com"
    assert user_of(entries[:2], chain) is None
    assert user_of([], chain) is None


FAULTS = [
    (("san-all",), "map-type 'san-all' is none of specified, san-rfc822-name,"),
    (("specified", SHA512), "a name goes with map-type specified"),
    (("common-name", None, "bob"), "a name goes with map-type specified"),
    (("specified", None, "bob"), "needs a fingerprint"),
    (("common-name", "AB"), "not octets in hexadecimal"),
    (("common-name", "04:A"), "not octets in hexadecimal"),
    (("common-name", "AB:CD"), "2 octets that begin with AB; expected 04: and the 32 octets"),
    (("common-name", "02:" + ":".join(["00"] * 20)), "21 octets that begin with 02"),
    (("common-name", "04:" + ":".join(["00"] * 31)), "32 octets that begin with 04"),
]


@pytest.mark.parametrize(("entry", "said"), FAULTS)
def test_bad_entries(entry: tuple[str, ...], said: str) -> None:
    with pytest.raises(CertificateFault, match=said):
        CertToName(*entry)
