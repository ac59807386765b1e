"""A client of dynamic subscriptions, on a server whose time a test moves."""

from __future__ import annotations

import re

from support.lab import Client

SN = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
YP = "urn:ietf:params:xml:ns:yang:ietf-yang-push"
DS = "urn:ietf:params:xml:ns:yang:ietf-datastores"
NOTIFICATION = "urn:ietf:params:xml:ns:netconf:notification:1.0"


def establish(inside: str) -> str:
    return f'<establish-subscription xmlns="{SN}" xmlns:yp="{YP}" xmlns:ds="{DS}">{inside}</establish-subscription>'


def modify(subscription: int, inside: str = "") -> str:
    return (
        f'<modify-subscription xmlns="{SN}" xmlns:yp="{YP}" xmlns:ds="{DS}"><id>{subscription}</id>{inside}'
        "</modify-subscription>"
    )


def delete(subscription: int) -> str:
    return f'<delete-subscription xmlns="{SN}"><id>{subscription}</id></delete-subscription>'


def kill(subscription: int) -> str:
    return f'<kill-subscription xmlns="{SN}"><id>{subscription}</id></kill-subscription>'


def resync(subscription: int) -> str:
    return f'<resync-subscription xmlns="{YP}"><id>{subscription}</id></resync-subscription>'


async def subscribed(client: Client, inside: str) -> int:
    """Establish a subscription; its id."""
    reply = await client.rpc(establish(inside))
    found = re.fullmatch(rf'<id xmlns="{SN}">(\d+)</id>', reply)
    assert found, reply
    return int(found[1])


async def told(client: Client) -> str:
    """The content of the next notification."""
    message = await client.receive()
    found = re.fullmatch(
        rf'<notification xmlns="{NOTIFICATION}"><eventTime>[^<]*</eventTime>(.*)</notification>', message, re.DOTALL
    )
    assert found, message
    return found[1]


def hints(reply: str) -> str:
    """The error-info of a refusal."""
    found = re.search(r"<error-info>.*</error-info>", reply, re.DOTALL)
    assert found, reply
    return found[0]


def terminated(subscription: int, reason: str = "no-such-subscription") -> str:
    return (
        f'<subscription-terminated xmlns="{SN}"><id>{subscription}</id>'
        f'<reason xmlns:sn="{SN}">sn:{reason}</reason></subscription-terminated>'
    )
