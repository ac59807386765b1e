"""The NETCONF operations: one file for each family, one function for each operation, named by the RFC's verb.

``server`` has what all sessions share, ``conversation`` holds one session from hello to end, ``dispatch`` leads an
operation to its function (``registry`` lists them) and turns what is raised into rpc-errors. Transports hand in
connected peers, the IPsec room hands in plain callables; neither is known here.
"""

from cryptomap.operations.access import Access
from cryptomap.operations.actions import Handler
from cryptomap.operations.conversation import serve
from cryptomap.operations.nacm import Nacm, check_rules
from cryptomap.operations.server import Limits, Server
from cryptomap.operations.sessions import Peer, SessionLimits

__all__ = [
    "Access",
    "Handler",
    "Limits",
    "Nacm",
    "Peer",
    "Server",
    "SessionLimits",
    "check_rules",
    "serve",
]
