"""The operations of the protocol, by namespace and name: one function each, in the file of its family.

Operations that any other module defines are found in the schema and handled by ``actions``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptomap.netconf.messages import BASE, NOTIFICATION
from cryptomap.operations.actions import ACTION, action
from cryptomap.operations.call import Operation
from cryptomap.operations.close import close_session, kill_session
from cryptomap.operations.commit import cancel_commit, commit, discard_changes, validate
from cryptomap.operations.edit import copy_config, delete_config, edit_config
from cryptomap.operations.lock import lock, unlock
from cryptomap.operations.nmda import NMDA, edit_data, get_data
from cryptomap.operations.notifications.subscribe import SUBSCRIBE
from cryptomap.operations.notifications.subscription import create_subscription
from cryptomap.operations.partial_lock import PARTIAL_LOCK, partial_lock, partial_unlock
from cryptomap.operations.private_candidate import PRIVATE_CANDIDATE_MODULE, update
from cryptomap.operations.retrieve import get, get_config

__all__ = ["OPERATIONS"]

OPERATIONS: Final[Mapping[str, Operation]] = {
    f"{{{BASE}}}get": get,
    f"{{{BASE}}}get-config": get_config,
    f"{{{BASE}}}edit-config": edit_config,
    f"{{{BASE}}}copy-config": copy_config,
    f"{{{BASE}}}delete-config": delete_config,
    f"{{{BASE}}}lock": lock,
    f"{{{BASE}}}unlock": unlock,
    f"{{{BASE}}}close-session": close_session,
    f"{{{BASE}}}kill-session": kill_session,
    f"{{{BASE}}}commit": commit,
    f"{{{BASE}}}cancel-commit": cancel_commit,
    f"{{{BASE}}}discard-changes": discard_changes,
    f"{{{BASE}}}validate": validate,
    f"{{{PARTIAL_LOCK}}}partial-lock": partial_lock,
    f"{{{PARTIAL_LOCK}}}partial-unlock": partial_unlock,
    f"{{{PRIVATE_CANDIDATE_MODULE}}}update": update,
    f"{{{NOTIFICATION}}}create-subscription": create_subscription,
    f"{{{NMDA}}}get-data": get_data,
    f"{{{NMDA}}}edit-data": edit_data,
    **SUBSCRIBE,
    ACTION: action,
}
"""By Clark name."""
