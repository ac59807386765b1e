"""A bounded memory for serialised list entries, so that a full read of an unchanged configuration is a copy of bytes.

The bytes hang on the (immutable) chunk they were made from and die with it; this only keeps the total in bounds by
dropping those not used for longest. What different readers may see of the same entries are variants of it.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable

from cryptomap.data.tree import Chunk

__all__ = ["XmlMemory", "memory"]

DEFAULT_BYTES = 256 * 1024 * 1024
MAX_VARIANTS = 4


class XmlMemory:
    """Keeps at most ``limit`` bytes of XML on chunks; least recently used first out. Safe to use from threads."""

    def __init__(self, limit: int = DEFAULT_BYTES) -> None:
        self.limit = limit
        self.size = 0
        self._kept: OrderedDict[weakref.ref[Chunk], int] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, chunk: Chunk, variant: Hashable = None) -> bytes | None:
        variants = chunk.xml
        if variants is None:
            return None
        with self._lock:
            reference = weakref.ref(chunk, self._forget)
            if reference in self._kept:
                self._kept.move_to_end(reference)
        return variants.get(variant)

    def put(self, chunk: Chunk, xml: bytes, variant: Hashable = None) -> None:
        with self._lock:
            variants = chunk.xml or {}
            if variant in variants or len(xml) > self.limit:
                return
            if len(variants) >= MAX_VARIANTS:
                variants = {}
            chunk.xml = {**variants, variant: xml}
            self._forget(reference := weakref.ref(chunk, self._forget))
            self._kept[reference] = sum(map(len, chunk.xml.values()))
            self.size += self._kept[reference]
            self._shrink()

    def resize(self, limit: int) -> None:
        """Set the limit in bytes; 0 turns the memory off."""
        with self._lock:
            self.limit = limit
            self._shrink()

    def _shrink(self) -> None:
        while self.size > self.limit:
            reference, size = self._kept.popitem(last=False)
            self.size -= size
            chunk = reference()
            if chunk is not None:
                chunk.xml = None

    def _forget(self, reference: weakref.ref[Chunk]) -> None:
        with self._lock:
            self.size -= self._kept.pop(reference, 0)


memory = XmlMemory()
"""The memory of this process."""
