"""A small NETCONF client, for the command line, samples, benchmarks and tests: the same protocol rooms, role client."""

from cryptomap.client.connection import Client, ClientError, connect
from cryptomap.client.stream import ByteStream

__all__ = ["ByteStream", "Client", "ClientError", "connect"]
