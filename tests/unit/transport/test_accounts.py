"""Who may log in: keys by user, ``from=``, passwords only with a hash; faults name the user and the line."""

from __future__ import annotations

import asyncssh
import pytest

from cryptomap.transport import AccountFault, Accounts, accounts
from cryptomap.transport.passwords import hash_password, is_password_hash, verify_password

KEY = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
OTHER = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
LINE = KEY.export_public_key().decode()
SECRET = "$scrypt$ln=10,r=8,p=1$bXNqZGdzamRnc2pkZ3Nq$WBxbxTHB7WcIgN4OWlmt6y5J1ZyIbbZHHcWrclp3JCg"


def accepts(accounts: Accounts, user: str, key: asyncssh.SSHKey = KEY, address: str = "192.0.2.1") -> bool:
    return accounts.accepts_key(user, key, address)


def test_a_key_opens_the_account_of_its_user_only():
    accounts = Accounts({"fred": [f"# mine\n\n{LINE}\n", OTHER.export_public_key().decode()], "ann": []})
    assert accepts(accounts, "fred")
    assert accepts(accounts, "fred", OTHER)
    assert not accepts(accounts, "ann")
    assert not accepts(accounts, "root")
    assert not accepts(accounts, "")


def test_an_address_restriction_is_obeyed():
    accounts = Accounts({"fred": [f'from="192.0.2.0/24" {LINE}']})
    assert accepts(accounts, "fred")
    assert not accepts(accounts, "fred", address="198.51.100.1")


@pytest.mark.parametrize("line", ["nonsense", "ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----"])
def test_a_line_that_is_no_key_is_named(line):
    with pytest.raises(AccountFault, match="user fred: authorized key 2 "):
        Accounts({"fred": [LINE, line]})


async def test_passwords_exist_only_where_a_hash_is_set():
    assert not Accounts({"fred": [LINE]}).has_passwords
    accounts = Accounts({}, {"fred": hash_password("open sesame")})
    assert accounts.has_passwords
    assert await accounts.accepts_password("fred", "open sesame")
    assert not await accounts.accepts_password("fred", "open sesam")
    assert not await accounts.accepts_password("fred", "")
    assert not await accounts.accepts_password("ann", "open sesame")
    assert not await accounts.accepts_password("ann", "")


@pytest.mark.parametrize("stored", ["secret", "", "$2b$12$abcdefghijklmnopqrstuv", SECRET.replace("ln=10", "ln=30")])
def test_a_hash_that_is_none_is_named(stored):
    assert not is_password_hash(stored)
    with pytest.raises(AccountFault, match="user fred"):
        Accounts({}, {"fred": stored})
    with pytest.raises(ValueError, match="hash"):
        verify_password("x", stored)


def test_hashes_are_salted():
    first, second = hash_password("x"), hash_password("x")
    assert first != second
    assert verify_password("x", first)
    assert verify_password("x", second)
    assert "x" not in first.split("$")


async def test_an_unknown_user_costs_as_much_as_a_known_one(monkeypatch):
    hashed = []
    monkeypatch.setattr(accounts, "verify_password", lambda password, stored: hashed.append(stored) or True)
    users = Accounts({}, {"ann": hash_password("open sesame")})
    assert await users.accepts_password("ann", "open sesame")
    assert not await users.accepts_password("nobody", "open sesame")
    known, unknown = (stored.rsplit("$", 2)[0] for stored in hashed)
    assert known == unknown, "the same cost, whatever the name"
