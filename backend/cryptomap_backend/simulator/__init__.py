"""A gateway that exists in memory only, behind the same contract as the real ones.

Peers always answer unless told otherwise; packets are really encapsulated; time, faults and peers are in the hands of
whoever tests or demonstrates.
"""

from cryptomap_backend.simulator.backend import SimulatorBackend, create
from cryptomap_backend.simulator.faults import Faults
from cryptomap_backend.simulator.peers import Behaviour, Peer
from cryptomap_backend.simulator.world import World

__all__ = ["Behaviour", "Faults", "Peer", "SimulatorBackend", "World", "create"]
