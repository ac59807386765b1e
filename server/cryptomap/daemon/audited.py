"""The record of the server and its journal, brought together: at each start, and by commands on a state directory."""

from __future__ import annotations

import logging
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from cryptomap.audit import AuditLog, Deed, Outcome
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.history import ORIGIN_DIGEST, Record
from cryptomap.datastore.statedir import StateDirectory
from cryptomap.operations.audited import commit_deed

__all__ = ["maintenance", "record_start"]

log = logging.getLogger(__name__)

PAGE = 1000


def record_start(audit: AuditLog, datastores: Datastores) -> None:
    """Record the commits that a crash left unrecorded, or that the journal is another one; then the start."""
    known = audit.last_commit
    if known is not None:
        if _digest_of(datastores, known[0]) == known[1]:
            for record in _after(datastores, known[0]):
                audit.append(commit_deed(record, "recorded at the next start"))
        else:
            detail = f"the journal has lost commit {known[0]}, which was recorded last, or is another one"
            log.error(
                "%s: it ends at commit %d; compare with audit show, and restore a backup", detail, datastores.head
            )
            audit.append(Deed("server", "journal", Outcome.FAILED, detail=detail))
    head = datastores.head
    audit.append(Deed("server", "start", commit=head, digest=_digest_of(datastores, head) or ""))


def _digest_of(datastores: Datastores, commit: int) -> str | None:
    if commit == 0:
        return ORIGIN_DIGEST
    found = datastores.history(1, commit + 1)
    return found[0].digest if found and found[0].id == commit else None


def _after(datastores: Datastores, commit: int) -> Iterator[Record]:
    """The commits after that one, oldest first."""
    found: list[Record] = []
    before: int | None = None
    while page := [record for record in datastores.history(PAGE, before) if record.id > commit]:
        found += page
        before = page[-1].id
    return reversed(found)


@contextmanager
def maintenance(state: StateDirectory, operation: str) -> Iterator[list[Deed]]:
    """Record a command on a state directory: the one deed it leaves in the list, or that it failed."""
    audit = AuditLog(state.audit)
    deeds: list[Deed] = []
    try:
        yield deeds
    except Exception as fault:
        audit.append(Deed("maintenance", operation, Outcome.FAILED, _who(), detail=str(fault)))
        raise
    else:
        for deed in deeds:
            audit.append(replace(deed, user=_who()))
    finally:
        audit.close()


def _who() -> str:
    """Whoever runs the command."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
