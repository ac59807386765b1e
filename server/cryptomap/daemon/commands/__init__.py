"""The commands that talk to a running server as any NETCONF client does, and those that need no server at all.

A file per family. They share the options of :func:`connecting.connection`. What the server refuses is printed error by
error and ends with exit code 1; what cannot even be asked (no connection, a file that cannot be read) with exit code 2.
"""

from cryptomap.daemon.commands.actions import reapply_command, trace_command
from cryptomap.daemon.commands.audit import audit_command
from cryptomap.daemon.commands.commit import cancel_command, commit_command, confirm_command, discard_command
from cryptomap.daemon.commands.history import history_command, rollback_command
from cryptomap.daemon.commands.plan import plan_command
from cryptomap.daemon.commands.shell import cli_command
from cryptomap.daemon.commands.storage import backup_command, restore_command, rotate_key_command
from cryptomap.daemon.commands.text import check_command, export_command, import_command, show_command

__all__ = ["COMMANDS"]

COMMANDS = (
    show_command,
    export_command,
    import_command,
    check_command,
    plan_command,
    commit_command,
    confirm_command,
    cancel_command,
    discard_command,
    history_command,
    rollback_command,
    reapply_command,
    trace_command,
    backup_command,
    restore_command,
    rotate_key_command,
    cli_command,
    audit_command,
)
