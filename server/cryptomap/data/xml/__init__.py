"""XML in and out: elements to trees (``read``) and trees to bytes (``write``)."""

from cryptomap.data.xml.read import Sealer, read_config, read_inner
from cryptomap.data.xml.writer import WriteOptions, write

__all__ = ["Sealer", "WriteOptions", "read_config", "read_inner", "write"]
