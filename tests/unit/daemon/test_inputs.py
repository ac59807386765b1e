"""Files of public keys and the first configuration: what is taken, and the one line each fault is."""

from __future__ import annotations

import logging
from pathlib import Path

import asyncssh
import pytest

from cryptomap.daemon.faults import StartFault
from cryptomap.daemon.inputs import accounts_of, startup_document
from cryptomap.daemon.settings import User
from cryptomap.transport.passwords import hash_password

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
PRIVATE = asyncssh.generate_private_key("ssh-ed25519", comment="alice's")
PUBLIC = PRIVATE.export_public_key().decode()


def refused(line: str) -> str:
    assert "\n" not in line
    return line


def test_keys_of_a_file_and_of_the_settings(tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    path = tmp_path / "alice.pub"
    path.write_text(f"# who comes here\n\n{PUBLIC}")
    accounts = accounts_of({"alice": User(path, keys=(other.export_public_key().decode(),)), "bob": User()})
    for key in (PRIVATE, other):
        assert accounts.accepts_key("alice", key.convert_to_public(), "192.0.2.1")
        assert not accounts.accepts_key("bob", key.convert_to_public(), "192.0.2.1")
    assert not accounts.has_passwords


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"rubbish\n", "{path}: user alice: authorized key 1 is no OpenSSH public key: 'rubbish'"),
        (PUBLIC.encode() + b"\nrubbish\n", "{path}: user alice: authorized key 2 is no OpenSSH public key: 'rubbish'"),
        (
            PRIVATE.export_private_key(),
            "authorized key 1 is no OpenSSH public key: '-----BEGIN OPENSSH PRIVATE KEY-----'",
        ),
        (b"\xff\xfe", "cannot read {path}, the keys of user alice: it is not text"),
        (b"", "{path}, the keys of user alice, has no key in it"),
        (b"# later\n", "{path}, the keys of user alice, has no key in it"),
        (None, "cannot read {path}, the keys of user alice: No such file or directory"),
    ],
    ids=["rubbish", "second line", "private key", "binary", "empty", "comment", "missing"],
)
def test_a_key_file_that_is_none(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "alice.pub"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StartFault) as caught:
        accounts_of({"alice": User(authorized_keys=path)})
    assert said.format(path=path) in refused(str(caught.value))


def test_keys_and_hashes_of_the_settings_are_judged_too() -> None:
    with pytest.raises(StartFault, match="user alice: authorized key 1 is no OpenSSH public key: 'rubbish'"):
        accounts_of({"alice": User(keys=("rubbish",))})
    with pytest.raises(StartFault, match="user alice: not a password hash of the form"):
        accounts_of({"alice": User(password_hash="secret")})


def test_that_nobody_can_log_in_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        accounts_of({"alice": User(password_hash=hash_password("x"))})
        accounts_of({"alice": User(keys=(PUBLIC,))})
        assert caplog.messages == []
        accounts_of({"alice": User()})
    assert caplog.messages == ["nobody can log in: name a user and its keys by --authorized-keys, or in the settings"]


@pytest.mark.parametrize("root", ["config", "data"])
def test_a_first_configuration(tmp_path: Path, root: str) -> None:
    path = tmp_path / "first.xml"
    path.write_text(f'<?xml version="1.0"?><!-- ours --><{root} xmlns="{BASE}"><x xmlns="urn:x">1</x></{root}>')
    document = startup_document(path)
    assert document is not None
    assert [child.tag for child in document] == ["{urn:x}x"]
    assert startup_document(None) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<config", "startup configuration {path} is not XML: "),
        ("", "startup configuration {path} is not XML: "),
        (
            "<config/>",
            "{path} must have the root <config xmlns='urn:ietf:params:xml:ns:netconf:base:1.0'>, not <config>",
        ),
        (
            f'<!DOCTYPE config [<!ENTITY a "b">]><config xmlns="{BASE}">&a;</config>',
            "{path} has a document type declaration",
        ),
        (
            f'<!DOCTYPE config SYSTEM "http://192.0.2.1/x"><config xmlns="{BASE}"/>',
            "{path} has a document type declaration",
        ),
        (None, "cannot read the startup configuration {path}: No such file or directory"),
    ],
    ids=["malformed", "empty", "another root", "entity", "external", "missing"],
)
def test_a_first_configuration_that_is_none(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "first.xml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(StartFault) as caught:
        startup_document(path)
    assert said.format(path=path) in refused(str(caught.value))
