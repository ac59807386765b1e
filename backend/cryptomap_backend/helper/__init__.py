"""The privileged helper: does the kernel's verbs for a server that runs without privileges.

``python -m cryptomap_backend.helper`` serves the verbs of :class:`~cryptomap_backend.linux.kernel.Kernel` on a Unix
socket, to root and one user only, and does nothing that its own settings do not allow: their namespaces, devices,
nftables table, marks and request ids.
"""
