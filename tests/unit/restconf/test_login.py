"""Who a request comes from."""

from __future__ import annotations

import base64

import pytest

from cryptomap.restconf.login import Login, Stranger
from cryptomap.transport.accounts import Accounts
from cryptomap.transport.passwords import hash_password

CAROL = "Basic " + base64.b64encode(b"carol:open sesame").decode()


async def test_a_password_is_remembered_until_the_users_change() -> None:
    accounts = Accounts({}, {"carol": hash_password("open sesame")})
    login = Login(accounts, clock=lambda: 0.0)
    assert [await login.user(CAROL) for _ in range(2)] == ["carol", "carol"]
    accounts.become(Accounts({}, {"carol": hash_password("another")}))
    with pytest.raises(Stranger, match="wrong password for 'carol'"):
        await login.user(CAROL)
