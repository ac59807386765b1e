"""Python libraries as clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from ncclient.operations import RPCError
from netconf_client.connect import connect_ssh
from netconf_client.error import RpcError
from netconf_client.ncclient import Manager
from scrapli_netconf.driver import NetconfDriver

from support.foreign.story import MONITORING, Role, Steps
from support.server import PATIENCE

SCRAPLI_LEAKS: Final = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <_io.FileIO:pytest.PytestUnraisableExceptionWarning"
)
"""For tests that use scrapli, which drops its terminal without closing it."""
GET_SCHEMA: Final = f'<get-schema xmlns="{MONITORING}"><identifier>cryptomap-acl</identifier></get-schema>'


@contextmanager
def ncclient(role: Role) -> Iterator[Steps]:
    session = role.daemon.connect(role.name)

    def confirmed_commit() -> object:
        session.edit_config(role.config(10), target="candidate")
        return session.commit(confirmed=True, timeout="600")

    def notification() -> object:
        session.create_subscription()
        role.stir()
        return session.take_notification(timeout=PATIENCE).notification_xml

    def error() -> str:
        try:
            session.edit_config(role.config(64), target="candidate")
        except RPCError as fault:
            return str(fault)
        return "taken"

    yield {
        "hello": lambda: " ".join(session.server_capabilities),
        "lock": lambda: session.lock("candidate"),
        "edit": lambda: session.edit_config(role.config(46), target="candidate"),
        "validate": lambda: session.validate("candidate"),
        "commit": session.commit,
        "confirmed-commit": confirmed_commit,
        "cancel": session.cancel_commit,
        "subtree": lambda: session.get_config("running", filter=("subtree", role.data())),
        "xpath": lambda: session.get_config("running", filter=("xpath", role.xpath)),
        "get-schema": lambda: session.get_schema("cryptomap-acl").data,
        "notification": notification,
        "error": error,
        "unlock": lambda: session.unlock("candidate"),
        "close": session.close_session,
    }


@contextmanager
def netconf_client(role: Role) -> Iterator[Steps]:
    connection = connect_ssh(host=role.host, port=role.port, username=role.name, key_filename=role.key)
    session = Manager(connection, timeout=PATIENCE)

    def confirmed_commit() -> object:
        session.edit_config(role.config(10), target="candidate")
        return session.commit(confirmed=True, confirm_timeout=600)

    def notification() -> object:
        session.create_subscription()
        role.stir()
        return session.take_notification(True, PATIENCE).notification_xml

    def error() -> str:
        try:
            session.edit_config(role.config(64), target="candidate")
        except RpcError as fault:
            return str(fault)
        return "taken"

    try:
        yield {
            "hello": lambda: " ".join(connection.server_capabilities),
            "lock": lambda: session.lock("candidate"),
            "edit": lambda: session.edit_config(role.config(46), target="candidate"),
            "validate": lambda: session.validate("candidate"),
            "commit": session.commit,
            "confirmed-commit": confirmed_commit,
            "cancel": session.cancel_commit,
            "subtree": lambda: session.get_config("running", f'<filter type="subtree">{role.data()}</filter>').data_xml,
            "xpath": lambda: session.get_config("running", f'<filter type="xpath" select="{role.xpath}"/>').data_xml,
            "get-schema": lambda: session.dispatch(GET_SCHEMA).xml,
            "notification": notification,
            "error": error,
            "unlock": lambda: session.unlock("candidate"),
            "close": session.close_session,
        }
    finally:
        connection.close()


@contextmanager
def scrapli(role: Role) -> Iterator[Steps]:
    """Over the program ssh, which is scrapli's default."""
    session = NetconfDriver(
        host=role.host,
        port=role.port,
        auth_username=role.name,
        auth_private_key=role.key,
        auth_strict_key=False,
        ssh_config_file=False,
        timeout_ops=PATIENCE,
    )

    def confirmed_commit() -> object:
        session.edit_config(role.config(10), target="candidate")
        return session.commit(confirmed=True, timeout=600).result

    xpath = role.xpath.replace("'", '"')  # scrapli writes it between apostrophes
    with session:
        yield {
            "hello": lambda: " ".join(session.server_capabilities),
            "lock": lambda: session.lock("candidate").result,
            "edit": lambda: session.edit_config(role.config(46), target="candidate").result,
            "validate": lambda: session.validate("candidate").result,
            "commit": lambda: session.commit().result,
            "confirmed-commit": confirmed_commit,
            "cancel": lambda: session.rpc("<cancel-commit/>").result,
            "subtree": lambda: session.get_config("running", role.data()).result,
            "xpath": lambda: session.get_config("running", xpath, "xpath").result,
            "get-schema": lambda: session.rpc(GET_SCHEMA).result,
            "error": lambda: session.edit_config(role.config(64), target="candidate").result,
            "unlock": lambda: session.unlock("candidate").result,
            "close": lambda: session.rpc("<close-session/>").result,
        }
