"""Configured users (RFC 7317): what a commit refuses, and who may log in afterwards."""

from __future__ import annotations

from functools import lru_cache

import asyncssh
import pytest
from lxml import etree

from cryptomap.daemon.users import Users
from cryptomap.data.crypt_hash import hashed, is_hash, verify
from cryptomap.data.diff import diff
from cryptomap.data.tree import Node
from cryptomap.data.validation import empty_snapshot, validate
from cryptomap.data.xml import WriteOptions, read_config, write
from cryptomap.datastore.password_hashes import PasswordHashes
from cryptomap.datastore.transaction import Origin, Transition
from cryptomap.errors import RpcErrors
from cryptomap.schema.modules import load
from cryptomap.schema.nodes import Leaf, Schema
from cryptomap.transport.accounts import Accounts
from support.stores import VAULT

SYSTEM = "urn:ietf:params:xml:ns:yang:ietf-system"
PRIVATE = asyncssh.generate_private_key("ssh-ed25519")
LINE = PRIVATE.export_public_key().decode()
ALGORITHM, DATA = LINE.split()[:2]
OPENSSL = "$6$abc$IdWKNKTJEb8LxY7CGg8YBXlvtfZzFw7Mp/r6niK9YB2mdvgY..TKjv1T..8RadRt2qvUHYRLr/TsVArtr91iR1"
"""What ``openssl passwd -6 -salt abc secret`` prints: another implementation's word."""
LOCAL = f'<user-authentication-order xmlns:sys="{SYSTEM}">sys:local-users</user-authentication-order>'


@lru_cache(maxsize=1)
def schema() -> Schema:
    return load(["ietf-system", "iana-crypt-hash", "ietf-netconf-acm", "cryptomap-deviations"])


def tree(inner: str) -> Node:
    config = etree.fromstring(
        '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">'
        f'<system xmlns="{SYSTEM}"><authentication>{inner}</authentication></system></config>'
    )
    return read_config(schema(), config, PasswordHashes(schema(), VAULT))


def user(name: str, inner: str = "") -> str:
    return f"<user><name>{name}</name>{inner}</user>"


def key(data: str = DATA, algorithm: str = ALGORITHM) -> str:
    return (
        f"<authorized-key><name>laptop</name><algorithm>{algorithm}</algorithm><key-data>{data}</key-data>"
        "</authorized-key>"
    )


def password(text: str) -> str:
    return f"<password>{text}</password>"


def users() -> Users:
    return Users(schema(), Accounts({"admin": [LINE]}), ["root"])


def faults(root: Node) -> list[tuple[str, str, str | None, str]]:
    """(tag, path, app-tag, severity) of what the rule says of a first configuration."""
    old = empty_snapshot(schema())
    transition = Transition(old, validate(schema(), root, old), tuple(diff(old.root, root)), Origin("alice"))
    return [(e.tag, str(e.path), e.app_tag, e.severity) for e in users().check(transition)]


def where(name: str, inner: str = "") -> str:
    return f"/sys:system/sys:authentication/sys:user[sys:name='{name}']{inner}"


def test_a_key_lets_its_user_in() -> None:
    root = tree(user("carol", key()))
    assert faults(root) == []
    accounts = users().accounts(root)
    public = PRIVATE.convert_to_public()
    assert accounts.accepts_key("carol", public, "192.0.2.1")
    assert accounts.accepts_key("admin", public, "192.0.2.1")  # those of the settings stay
    assert not accounts.accepts_key("dave", public, "192.0.2.1")
    assert not users().accounts(tree("")).accepts_key("carol", public, "192.0.2.1")


async def test_a_password_lets_its_user_in_where_local_users_are_asked() -> None:
    root = tree(LOCAL + user("carol", password("$0$open sesame")))
    assert faults(root) == []
    accounts = users().accounts(root)
    assert await accounts.accepts_password("carol", "open sesame")
    assert not await accounts.accepts_password("carol", "$0$open sesame")
    assert not await accounts.accepts_password("admin", "open sesame")


async def test_rfc_7317_section_3_5_without_local_users_no_password_counts() -> None:
    root = tree(user("carol", password("$0$open sesame")))
    assert faults(root) == [("operation-failed", where("carol", "/sys:password"), "passwords-off", "warning")]
    assert not users().accounts(root).has_passwords
    assert not await users().accounts(root).accepts_password("carol", "open sesame")


@pytest.mark.parametrize("name", ["admin", "root"])
def test_who_is_in_the_settings_or_recovers_cannot_be_configured(name: str) -> None:
    assert faults(tree(user(name, key()))) == [("invalid-value", where(name), "reserved-user", "error")]


@pytest.mark.parametrize(
    "inner", [key(algorithm="ssh-rsa"), key(data="AAAA"), key(algorithm='command="x" ssh-ed25519'), key(algorithm="-")]
)
def test_keys_that_are_none_are_refused(inner: str) -> None:
    place = where("carol", "/sys:authorized-key[sys:name='laptop']/sys:key-data")
    assert faults(tree(user("carol", inner))) == [("invalid-value", place, "bad-ssh-key", "error")]


@pytest.mark.parametrize("stored", ["$1$abcdefgh$BXBqpb9BZcZhXLgbee.0sa", OPENSSL.replace("$6$", "$6$rounds=9999999$")])
def test_hashes_that_cost_too_much_or_too_little_are_refused(stored: str) -> None:
    root = tree(LOCAL + user("carol", password(stored)))
    assert faults(root) == [("invalid-value", where("carol", "/sys:password"), "bad-crypt-hash", "error")]


@pytest.mark.parametrize("stored", ["secret", OPENSSL[:-1], OPENSSL + "1", ""])
def test_what_is_no_hash_is_refused_and_not_repeated(stored: str) -> None:
    with pytest.raises(RpcErrors) as caught:
        tree(user("carol", password(stored)))
    assert [error.tag for error in caught.value.errors] == ["invalid-value"]
    assert not stored or stored not in str(caught.value)


# ===== crypt-hash =====


def stored_of(root: Node) -> str:
    text = b"".join(write(schema(), root, WriteOptions())).decode()
    return text.partition("<password>")[2].partition("</password>")[0]


def test_rfc_7317_crypt_hash_clear_passwords_are_hashed_before_they_are_in_a_tree() -> None:
    stored = stored_of(tree(user("carol", password("$0$open sesame"))))
    assert stored.startswith("$6$rounds=")
    assert is_hash(stored)
    assert verify("open sesame", stored)
    assert not verify("open sesam", stored)


def test_the_same_password_again_is_no_change() -> None:
    one, other = (tree(user("carol", password("$0$open sesame"))) for _ in range(2))
    assert one == other
    assert stored_of(one) != stored_of(tree(user("carol", password("$0$open sesamE"))))


def test_rfc_7317_crypt_hash_a_hash_is_stored_as_it_is() -> None:
    assert stored_of(tree(user("carol", password(OPENSSL)))) == OPENSSL


def test_hashes_of_another_implementation_are_verified() -> None:
    assert verify("secret", OPENSSL)
    assert not verify("Secret", OPENSSL)
    assert hashed("$0$secret", "abcdefghijklmnop").startswith("$6$rounds=100000$abcdefghijklmnop$")


def test_nobody_reads_or_sees_a_hash_without_a_rule() -> None:
    leaf = schema().find("/ietf-system:system/authentication/user/password")
    assert isinstance(leaf, Leaf)
    assert (leaf.deny, leaf.secret) == ("read", True)


def test_what_the_operating_system_does_is_not_offered() -> None:
    system = schema().root.by_qname["ietf-system:system"]
    assert sorted(child.name for child in system.children) == ["authentication", "contact", "location"]  # type: ignore[attr-defined]
    assert [tag for tag in schema().operations if SYSTEM in tag] == []
