"""The order of overlapping maps in the kernel, where the smallest priority takes the packet. Pure."""

from __future__ import annotations

from cryptomap_backend.intent import NO_PREFERENCE

__all__ = ["FIRST", "policy_priority"]

FIRST = 0x10000
"""The kernel priority of preference 0, unless the settings say another."""

UNPREFERRED = 1 << 31
"""The kernel priority of policies of maps without a preference begins here."""


def policy_priority(preference: int, first: int = FIRST) -> int:
    """The kernel's 32 bits hold maps with a preference in their lower half, those without one in the upper."""
    if preference < NO_PREFERENCE:
        return min(first + preference, UNPREFERRED - 1)
    return UNPREFERRED + preference - NO_PREFERENCE
