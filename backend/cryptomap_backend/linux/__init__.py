"""The Linux kernel as a backend: IPsec by its own states and policies, marking by nftables, VLAN devices and tc.

Modules by floor: ``marks``, ``egress``, ``nft``, ``objects``, ``ports`` are pure data; ``netlink`` and ``xfrm`` speak
the kernel's language; ``local`` does the verbs of ``kernel`` in this process; ``marker`` is what other backends share;
``translate``, ``operations``, ``drift``, ``observing`` turn intent into objects and back; ``backend`` is the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptomap_backend.linux.backend import LinuxBackend

__all__ = ["create"]


def create(settings: Mapping[str, object]) -> LinuxBackend:
    """The factory. Connects to nothing yet. Raises SettingsFault.

    Imports late: the helper and other backends use single modules of this package, not the whole backend.
    """
    from cryptomap_backend.linux.backend import create as make

    return make(settings)
