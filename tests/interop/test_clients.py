"""What operators already have works unchanged: six foreign clients perform the story of ``support.foreign``.

docs/clients.md shows the table. Each client logs in as a user of its own, so that what the server announced of it in
the meantime can be told apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from support.foreign import CANNOT, CLIENTS
from support.foreign.libraries import SCRAPLI_LEAKS
from support.foreign.story import STEPS, TOLD, Role, Step
from support.server import ROOT, SAMPLES, Daemon, make_key
from support.state import NS, texts
from support.wire import session

pytestmark = SCRAPLI_LEAKS
CELLS = [(client, step) for client in CLIENTS for step in STEPS if step not in CANNOT.get(client, {})]
NOTIFICATION = NS["ncn"]


class Stage:
    """A server, and what each client was told there: its story is played when somebody first asks."""

    def __init__(self, daemon: Daemon, directory: Path) -> None:
        self.daemon = daemon
        self.began = datetime.now(UTC).isoformat()
        self._directory = directory
        self._told: dict[str, dict[Step, str]] = {}

    def told(self, client: str) -> Mapping[Step, str]:
        """As far as the story came; why it went no further stands in the log of the test that was to be first."""
        if client not in self._told:
            self._told[client] = {}
            self._play(client, self._told[client])
        return self._told[client]

    def _play(self, client: str, told: dict[Step, str]) -> None:
        directory = self._directory / client
        directory.mkdir()
        with CLIENTS[client](Role(client, self.daemon, directory, self._stir)) as steps:
            for step in STEPS:
                if step in steps:
                    told[step] = str(steps[step]())

    def _stir(self) -> None:
        with self.daemon.connect("witness"):
            pass


@pytest.fixture(scope="module")
def stage(make_daemon: Callable[..., Daemon], tmp_path_factory: pytest.TempPathFactory) -> Stage:
    daemon = make_daemon(options=["--startup", str(SAMPLES / "seed.xml")])
    make_key(daemon.key)
    for user in (*CLIENTS, "witness"):
        daemon.settings += f'[users.{user}]\nrecovery = true\nauthorized-keys = "{daemon.key}.pub"\n'
    return Stage(daemon.start(), tmp_path_factory.mktemp("clients"))


@pytest.mark.parametrize(("client", "step"), CELLS, ids=[f"{client}-{step}" for client, step in CELLS])
def test_client(stage: Stage, client: str, step: Step) -> None:
    told = stage.told(client)
    assert step in told, f"{client} came no further than {list(told)}"
    for pattern in TOLD[step]:
        assert re.search(pattern, told[step], re.DOTALL), told[step]


COMMITTED = ["netconf-config-change"]
TRIED = [
    "netconf-config-change",
    "netconf-confirmed-commit start",
    "netconf-config-change",
    "netconf-confirmed-commit cancel",
]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_does_what_it_is_not_said_to_be_unable_to_do(stage: Stage, client: str) -> None:
    assert {*stage.told(client)} == {*STEPS} - {*CANNOT.get(client, {})}


@pytest.mark.parametrize("client", CLIENTS)
async def test_what_the_server_announced_of_it(stage: Stage, client: str) -> None:
    stage.told(client)
    tried = [] if "confirmed-commit" in CANNOT.get(client, {}) else TRIED
    assert await announced(stage, client) == [
        "netconf-session-start",
        *COMMITTED,
        *tried,
        "netconf-session-end closed",
    ]


async def announced(stage: Stage, user: str) -> list[str]:
    """What RFC 6470 has told of a user since the beginning: each event with what happened, or why."""
    events = []
    async with session(stage.daemon, "witness") as wire:
        await wire.do(
            f'<create-subscription xmlns="{NOTIFICATION}"><startTime>{stage.began}</startTime>'
            f"<stopTime>{datetime.now(UTC).isoformat()}</stopTime></create-subscription>"
        )
        while "notificationComplete" not in (message := await wire.receive()):
            event = etree.fromstring(message)[1]
            if texts(event, ".//event:username") == [user]:
                words = texts(event, "event:confirm-event | event:termination-reason")
                events.append(" ".join([etree.QName(event).localname, *words]))
    return events


def test_the_table_in_the_documents() -> None:
    rows = ["| Step | " + " | ".join(CLIENTS) + " |", "|---" * (len(CLIENTS) + 1) + "|"]
    for step in STEPS:
        cells = [CANNOT.get(client, {}).get(step, "yes") for client in CLIENTS]
        rows.append(f"| {step} | " + " | ".join(cells) + " |")
    assert "\n".join(rows) in (ROOT / "docs" / "clients.md").read_text()
