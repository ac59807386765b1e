"""XML in and out: elements to trees (``read``) and trees to bytes (``write``)."""

from cryptomap.data.xml.read import read_config, read_inner
from cryptomap.data.xml.seal import Sealer
from cryptomap.data.xml.writer import WriteOptions, write

__all__ = ["Sealer", "WriteOptions", "read_config", "read_inner", "write"]
