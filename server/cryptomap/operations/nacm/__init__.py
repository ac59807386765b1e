"""NACM (RFC 8341): ``control`` answers who may do what; the ``rules`` of /nacm make the ``policy`` of each user."""

from cryptomap.operations.nacm.control import Groups, Nacm, no_groups, providers
from cryptomap.operations.nacm.rules import check_rules

__all__ = ["Groups", "Nacm", "check_rules", "no_groups", "providers"]
