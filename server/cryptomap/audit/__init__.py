"""The record of who did what: append-only files whose entries are chained by their digests."""

from cryptomap.audit.entry import Deed, Outcome, Witness, unseen
from cryptomap.audit.log import AuditFault, AuditLimits, AuditLog
from cryptomap.audit.verify import Report, entries, verify

__all__ = [
    "AuditFault",
    "AuditLimits",
    "AuditLog",
    "Deed",
    "Outcome",
    "Report",
    "Witness",
    "entries",
    "unseen",
    "verify",
]
