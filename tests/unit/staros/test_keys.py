"""Keys: sealed as they are read, written only sealed, and never repeated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cryptomap.data.tree import Node
from cryptomap.datastore.secrets import Vault
from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, export_text, import_text
from cryptomap.staros.paths import entries_at, explicit, resolve

Import = Callable[..., Imported]
Reasons = Callable[[str], dict[int, str]]

MAP = "cryptomap-context:contexts/context/cryptomap-ipsec:crypto-map"
HEAD = "context c\ncrypto map m ikev2-ipv4\n"
MANUAL = "context c\ncrypto map m ipsec-manual\n"
LOCAL = "ikev2/authentication/local"
OTHER_VAULT = Vault([bytes(64)])


def map_of(root: Node) -> Node:
    [context] = entries_at(root, "cryptomap-context:contexts/context").nodes()
    [crypto_map] = entries_at(context, "cryptomap-ipsec:crypto-map").nodes()
    return crypto_map


def path_of(schema: Schema, leaf: str) -> str:
    """The schema path that a key of a crypto map is sealed for."""
    return resolve(schema.root, f"{MAP}/{leaf}")[-1].path


def test_a_clear_key_is_sealed(take: Import, schema: Schema, vault: Vault) -> None:
    root = take(f"{HEAD}authentication local pre-shared-key key foo0key").root
    path = path_of(schema, f"{LOCAL}/pre-shared-key")
    sealed = explicit(map_of(root), f"{LOCAL}/pre-shared-key")
    assert vault.reveal(path, str(sealed)) == b"foo0key"
    assert "foo0key" not in export_text(schema, root).text


def test_a_key_with_blanks_stands_in_quotes(take: Import, schema: Schema, vault: Vault) -> None:
    root = take(f'{HEAD}authentication local pre-shared-key key "two words"').root
    sealed = explicit(map_of(root), f"{LOCAL}/pre-shared-key")
    assert vault.reveal(path_of(schema, f"{LOCAL}/pre-shared-key"), str(sealed)) == b"two words"


@pytest.mark.parametrize("leaf", ["pre-shared-key", "encrypted-key"])
def test_a_sealed_key_goes_back_where_it_was(take: Import, schema: Schema, vault: Vault, leaf: str) -> None:
    sealed = vault.seal(path_of(schema, f"{LOCAL}/{leaf}"), "secret")
    line = f"authentication local pre-shared-key encrypted key {sealed}"
    root = take(HEAD + line).root
    assert explicit(map_of(root), f"{LOCAL}/{leaf}") == sealed
    assert f"      {line}" in export_text(schema, root).text.split("\n")


def test_what_the_vendor_encrypted_is_kept_for_the_vendor(take: Import, schema: Schema, vault: Vault) -> None:
    root = take(f"{HEAD}authentication local pre-shared-key encrypted key +B3abc").root
    crypto_map = map_of(root)
    sealed = str(explicit(crypto_map, f"{LOCAL}/encrypted-key"))
    assert vault.reveal(path_of(schema, f"{LOCAL}/encrypted-key"), sealed) == b"+B3abc"
    assert explicit(crypto_map, f"{LOCAL}/pre-shared-key") is None


def test_a_method_replaces_the_other(take: Import) -> None:
    lines = "authentication local pre-shared-key key x\nauthentication local certificate"
    crypto_map = map_of(take(HEAD + lines).root)
    assert explicit(crypto_map, f"{LOCAL}/pre-shared-key") is None
    assert explicit(crypto_map, f"{LOCAL}/certificate") == ""


def test_no_removes_a_key_of_either_kind(take: Import) -> None:
    for form in ("key x", "encrypted key x"):
        text = f"{HEAD}authentication local pre-shared-key {form}\nno authentication local pre-shared-key"
        assert take(text).root == take(HEAD).root


def test_a_seal_of_another_server_or_place_is_refused(reasons: Reasons, schema: Schema, vault: Vault) -> None:
    path = path_of(schema, f"{LOCAL}/pre-shared-key")
    elsewhere = path_of(schema, "ikev2/authentication/remote/pre-shared-key")
    for sealed in (OTHER_VAULT.seal(path, "x"), vault.seal(elsewhere, "x")):
        refused = reasons(f"{HEAD}authentication local pre-shared-key encrypted key {sealed}")
        assert refused == {3: "the key was sealed by another server, or for another place: give it in clear"}


def test_without_a_vault_keys_stay_as_they_are(schema: Schema, vault: Vault) -> None:
    """For a configuration that is converted to XML and sent elsewhere."""
    sealed = vault.seal(path_of(schema, f"{LOCAL}/pre-shared-key"), "x")
    clear = import_text(schema, f"{HEAD}authentication local pre-shared-key key foo0key")
    assert explicit(map_of(clear.root), f"{LOCAL}/pre-shared-key") == "foo0key"
    kept = import_text(schema, f"{HEAD}authentication local pre-shared-key encrypted key {sealed}")
    assert explicit(map_of(kept.root), f"{LOCAL}/pre-shared-key") == sealed
    assert [note.line_number for note in kept.notes] == [3]


def test_a_clear_key_is_never_written(schema: Schema) -> None:
    root = import_text(schema, f"{HEAD}authentication local pre-shared-key key foo0key").root
    exported = export_text(schema, root)
    assert "foo0key" not in exported.text
    assert [path[-1][0].name for path in exported.unsaid] == ["ikev2"]


REFUSED = [
    "pre-shared-key encrypted_key encrypted_key",
    "pre-shared-key foo0key",
    "pre-shared-key key",
    "pre-shared-key encrypted foo0key",
    "pre-shared-key key foo0 key",
    "pre-shared-key key x foo0",
    'pre-shared-key "foo0 key"',
]


@pytest.mark.parametrize("tail", REFUSED)
def test_any_other_form_is_refused_without_repeating_the_key(schema: Schema, vault: Vault, tail: str) -> None:
    imported = import_text(schema, f"{HEAD}authentication local {tail}", seal=vault)
    [reject] = imported.rejects
    assert reject.line_number == 3
    for shown in (reject.line, reject.reason):
        assert "foo0" not in shown
        assert "encrypted_key" not in shown


def test_a_key_has_at_most_255_characters(reasons: Reasons) -> None:
    refused = reasons(f"{HEAD}authentication local pre-shared-key key {'x' * 256}")
    assert list(refused) == [3]
    assert "xxx" not in refused[3]


# ===== manual keys =====

ESP = "set session-key inbound esp 256 cipher 00112233445566778899aabbccddeeff authenticator 0x" + "AB" * 20


def test_manual_keys_are_octets(take: Import, schema: Schema, vault: Vault) -> None:
    crypto_map = map_of(take(f"{MANUAL}{ESP}").root)
    at = "manual/session-key/inbound"
    assert explicit(crypto_map, f"{at}/spi") == "256"
    cipher = str(explicit(crypto_map, f"{at}/cipher-key"))
    authenticator = str(explicit(crypto_map, f"{at}/authenticator-key"))
    assert vault.reveal(path_of(schema, f"{at}/cipher-key"), cipher) == (
        b"00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"
    )
    assert vault.reveal(path_of(schema, f"{at}/authenticator-key"), authenticator) == b":".join([b"ab"] * 20)


def test_manual_keys_leave_sealed_and_come_back(take: Import, schema: Schema) -> None:
    root = take(f"{MANUAL}{ESP}\nset session-key outbound esp 257 authenticator 0011").root
    text = export_text(schema, root).text
    assert "set session-key inbound esp 256 encrypted cipher $cm1$" in text
    assert "set session-key outbound esp 257 encrypted authenticator $cm1$" in text
    assert take(text).root == root


def test_keys_of_ah_are_written_for_an_ah_transform_set(take: Import, schema: Schema) -> None:
    sets = "context c\ncrypto ipsec transform-set A ah hmac sha1-96\n#exit\n"
    root = take(f"{sets}crypto map m ipsec-manual\nset transform-set A\nset session-key inbound ah 300 key 0011").root
    text = export_text(schema, root).text
    assert "set session-key inbound ah 300 encrypted key $cm1$" in text
    assert take(text).root == root


def test_a_line_for_ah_replaces_the_keys_of_esp(take: Import) -> None:
    crypto_map = map_of(take(f"{MANUAL}{ESP}\nset session-key inbound ah 300 key 0011").root)
    assert explicit(crypto_map, "manual/session-key/inbound/cipher-key") is None


def test_no_removes_the_keys_of_a_direction(take: Import) -> None:
    assert take(f"{MANUAL}{ESP}\nno set session-key inbound").root == take(MANUAL).root


REFUSED_MANUAL = [
    ("esp 256 cipher 001 authenticator 00", "the key is not made of pairs of hex digits"),
    ("esp 256 cipher zz authenticator 00", "the key is not made of pairs of hex digits"),
    ("esp 256", "the line ends where 'cipher' is expected"),
    ("esp x cipher 00", "'<hidden>'"),
    ("esp 4294967296 cipher 00", "is not in the range 0..4294967295"),
    ("ah 256 cipher 00", "'cipher' stands where 'key' is expected"),
    ("esp 256 encrypted cipher +B3abc", "a key that another system has encrypted cannot be used here"),
]


@pytest.mark.parametrize(("tail", "reason"), REFUSED_MANUAL)
def test_a_manual_key_is_refused_with_a_reason(reasons: Reasons, tail: str, reason: str) -> None:
    refused = reasons(f"{MANUAL}set session-key inbound {tail}")
    assert list(refused) == [3]
    assert reason in refused[3]
