"""The vault."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptomap.datastore.secrets import PREFIX, Vault
from cryptomap.datastore.statedir import StateFault

OLD, NEW = bytes(range(64)), bytes(range(64, 128))
PATH = "/net:net/interface/psk"


@given(st.text())
def test_what_is_sealed_opens_again(clear: str) -> None:
    vault = Vault([OLD])
    assert vault.reveal(PATH, vault.seal(PATH, clear)) == clear.encode()


def test_sealing_the_same_key_again_is_no_change() -> None:
    assert Vault([OLD]).seal(PATH, "secret") == Vault([OLD]).seal(PATH, "secret")


def test_the_sealed_text_says_what_it_is_and_hides_the_key() -> None:
    sealed = Vault([OLD]).seal(PATH, "secret")
    assert sealed.startswith(PREFIX)
    assert b"secret" not in base64.b64decode(sealed[len(PREFIX) :])


def test_a_sealed_text_opens_only_at_its_own_path() -> None:
    vault = Vault([OLD])
    sealed = vault.seal(PATH, "secret")
    assert vault.is_sealed(PATH, sealed)
    assert not vault.is_sealed("/net:net/other", sealed)
    with pytest.raises(StateFault, match="/net:net/other"):
        vault.reveal("/net:net/other", sealed)


@pytest.mark.parametrize("text", ["", "secret", PREFIX, f"{PREFIX}AAAA", f"{PREFIX}not base64", f"{PREFIX}é"])
def test_a_look_alike_is_not_sealed(text: str) -> None:
    assert not Vault([OLD]).is_sealed(PATH, text)


def test_a_changed_bit_is_noticed() -> None:
    vault = Vault([OLD])
    raw = bytearray(base64.b64decode(vault.seal(PATH, "secret")[len(PREFIX) :]))
    raw[-1] ^= 1
    assert not vault.is_sealed(PATH, PREFIX + base64.b64encode(raw).decode())


def test_after_a_rotation_the_old_key_still_opens_and_the_new_one_seals() -> None:
    sealed = Vault([OLD]).seal(PATH, "secret")
    rotated = Vault([NEW, OLD])
    assert rotated.reveal(PATH, sealed) == b"secret"
    assert rotated.seal(PATH, "secret") == Vault([NEW]).seal(PATH, "secret")


def test_the_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    sealed = Vault.open(path, create=True).seal(PATH, "secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Vault.open(path, create=True).reveal(PATH, sealed) == b"secret"


def test_a_missing_key_file_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(StateFault, match="No such file"):
        Vault.open(tmp_path / "key", create=False)
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize("content", [b"", b"AAAA\n", b"!!!\n", base64.b64encode(OLD)[:-4]])
def test_a_damaged_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(StateFault, match=str(path)):
        Vault.open(path, create=False)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    Vault.open(path, create=True)
    os.chmod(path, 0o640)
    with pytest.raises(StateFault, match="0600"):
        Vault.open(path, create=False)


def test_a_vault_prints_without_its_keys() -> None:
    assert repr(Vault([OLD])) == "<Vault>"
