"""Two sessions of ncclient that work on candidates of their own (draft-ietf-netconf-privcand)."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest
from lxml import etree
from ncclient import manager
from ncclient.operations import RPCError

from support.server import Daemon
from support.state import NS

PRIVATE_CANDIDATE = "urn:ietf:params:netconf:capability:private-candidate:1.0"
UPDATE = '<update xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-private-candidate">%s</update>'
COMPARE = (
    '<compare xmlns="urn:ietf:params:xml:ns:yang:ietf-nmda-compare" '
    'xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">'
    "<source>ds:running</source><target>ds:candidate</target></compare>"
)


def context(name: str, description: str) -> str:
    return (
        f'<config xmlns="{NS["nc"]}"><contexts xmlns="{NS["ctx"]}"><context><name>{name}</name>'
        f"<description>{description}</description></context></contexts></config>"
    )


def connect(daemon: Daemon) -> AbstractContextManager[manager.Manager]:
    return manager.connect(
        host=daemon.host,
        port=daemon.port,
        username=daemon.user,
        key_filename=str(daemon.key),
        allow_agent=False,
        look_for_keys=False,
        hostkey_verify=False,
        nc_params={"capabilities": [PRIVATE_CANDIDATE]},
    )


def test_conflicts_are_told_and_resolved(daemon: Daemon) -> None:
    daemon.start()
    with connect(daemon) as alice, connect(daemon) as bob:
        assert PRIVATE_CANDIDATE in alice.server_capabilities
        alice.edit_config(target="candidate", config=context("one", "by alice"))
        bob.edit_config(target="candidate", config=context("two", "by bob"))
        assert "by alice" in str(alice.dispatch(etree.fromstring(COMPARE)))
        alice.commit()
        bob.commit()  # takes in what alice has committed
        alice.edit_config(target="candidate", config=context("one", "by alice again"))
        bob.edit_config(target="candidate", config=context("one", "by bob"))
        bob.commit()
        with pytest.raises(RPCError) as caught:
            alice.commit()
        assert (caught.value.tag, caught.value.app_tag) == ("operation-failed", "conflict")
        assert caught.value.path.endswith("[cmc:name='one']/cmc:description")
        alice.dispatch(etree.fromstring(UPDATE % "<resolution-mode>prefer-candidate</resolution-mode>"))
        alice.commit()
        running = str(bob.get_config("running"))
    assert "by alice again" in running
    assert running.count("by bob") == 1
