"""Where the kernel is reached: in this process, or through the privileged helper."""

from __future__ import annotations

from cryptomap_backend.helper.client import RemoteKernel
from cryptomap_backend.linux.kernel import Kernel
from cryptomap_backend.linux.local import LocalKernel
from cryptomap_backend.linux.settings import Settings

__all__ = ["open_kernel"]


def open_kernel(settings: Settings) -> Kernel:
    """By the setting ``helper``. Nothing is connected yet; each lane needs a kernel of its own."""
    return RemoteKernel(settings.helper) if settings.helper else LocalKernel(settings.reqids)
