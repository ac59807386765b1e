"""What becomes of the secrets of a schema: passwords of type crypt-hash are hashed, all others are sealed.

The salt of a hash is made of the password and the key that the server compares secrets with, so that the same password
sent again is no change (and equal passwords look equal to who may read their hashes, as equal secrets do).
"""

from __future__ import annotations

from cryptomap.data.crypt_hash import CLEAR, SALT_LENGTH, hashed, is_hash
from cryptomap.datastore.secrets import Vault
from cryptomap.schema.nodes import DataNode, Leaf, LeafList, Schema

__all__ = ["PasswordHashes"]


class PasswordHashes:
    """A sealer for the leafs of one schema, in front of the vault that seals."""

    def __init__(self, schema: Schema, vault: Vault) -> None:
        self._vault = vault
        self._paths: set[str] = set()
        schema.walk(self._note)

    def _note(self, node: DataNode) -> None:
        if isinstance(node, Leaf | LeafList) and node.hashed:
            self._paths.add(node.path)

    def seal(self, path: str, clear: str) -> str:
        """The hash of a password (``$0$`` and the password), the sealed form of anything else."""
        sealed = self._vault.seal(path, clear)
        if path not in self._paths:
            return sealed
        if not clear.startswith(CLEAR):
            return clear  # a hash of a kind that is not offered: a commit refuses it
        return hashed(clear, self._vault.fingerprint(path, sealed)[:SALT_LENGTH])

    def is_sealed(self, path: str, text: str) -> bool:
        return is_hash(text) if path in self._paths else self._vault.is_sealed(path, text)
