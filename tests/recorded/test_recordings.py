"""Conversations as they are, message by message, for people to read: ``tests/recorded/*.txt``.

Each file begins with what it shows. Then come messages: what stands below ``client`` (or ``client NAME``, for another
session) is sent as it stands, what stands below ``server`` is what must come back on that session. The server holds the
sample configuration ``samples/seed.xml`` at the beginning of each file. Replies are printed indented; what differs from
run to run is replaced: TIME, SESSION, COMMIT, SPI, SEALED, HASH. ``CRYPTOMAP_UPDATE_RECORDINGS=1`` writes what comes
back into the files instead of comparing: look at the difference before you commit it.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from lxml import etree

from support.server import Daemon, make_key, sample
from support.wire import Wire, session

HERE = Path(__file__).parent
FILES = {path.stem: path.read_text() for path in sorted(HERE.glob("*.txt"))}
UPDATE = os.environ.get("CRYPTOMAP_UPDATE_RECORDINGS") == "1"


@dataclass(frozen=True)
class Turn:
    """Messages one way in one session."""

    side: str
    name: str
    text: str


def turns(recording: str) -> tuple[str, list[Turn]]:
    """What a recording shows, and its messages."""
    first, *rest = re.split(r"^(client|server)(?: ([\w-]+))?\n", recording, flags=re.MULTILINE)
    thirds = zip(rest[0::3], rest[1::3], rest[2::3], strict=True)
    return first, [Turn(side, name or "admin", text.strip()) for side, name, text in thirds]


def written(title: str, spoken: list[Turn]) -> str:
    parts = [title.strip()]
    for turn in spoken:
        parts.append(f"{turn.side}{'' if turn.name == 'admin' else ' ' + turn.name}\n{turn.text}")
    return "\n\n".join(parts) + "\n"


VARYING = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "TIME"),
    (r"(?<=<session-id>)\d+(?=</session-id>)", "SESSION"),
    (r"(?<=<id>)\d+(?=</id>)", "COMMIT"),
    (r"(?<=-spi>)\d+(?=</)", "SPI"),
    (r'(?<=-spi xmlns="urn:cryptomap:yang:cryptomap-trace">)\d+(?=</)', "SPI"),
    (r"(?<=-spi=')\d+(?=')", "SPI"),
    (r"(?<=by session )\d+\b", "SESSION"),
    (r"(?<=>session )\d+(?= has locked)", "SESSION"),
    (r"(?<=SPI )\d+\b", "SPI"),
    (r"\$cm1\$[A-Za-z0-9+/=]+", "SEALED"),
    (r"(?<=content-id>)[0-9a-f]{32}(?=<)", "HASH"),
    (r"(?<=content-id=)[0-9a-f]{32}", "HASH"),
)


def readable(message: str) -> str:
    """A message of the server, indented, without what differs from run to run."""
    root = etree.fromstring(message, etree.XMLParser(remove_blank_text=True))
    etree.indent(root)
    text = etree.tostring(root, encoding="unicode")
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return text


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys") / "alice")


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon], alice: Path) -> Daemon:
    settings = f'[backend.simulator]\nseed = 1\n[users.alice]\nauthorized-keys = "{alice}.pub"\n'
    return make_daemon(settings=settings).start()


@pytest_asyncio.fixture
async def fresh(server: Daemon) -> AsyncIterator[Daemon]:
    """The server with the sample as running and nothing else, whatever it held before."""
    async with session(server) as wire:
        for config in ("<config/>", sample("seed.xml")):
            assert await wire.edit(config, "<default-operation>replace</default-operation>") == "<ok/>"
            await wire.do("<commit/>")
    yield server


class Stage:
    """The sessions of one recording, opened when they first speak."""

    def __init__(self, daemon: Daemon, alice: Path, stack: AsyncExitStack) -> None:
        self._daemon = daemon
        self._alice = alice
        self._stack = stack
        self._sessions: dict[str, Wire] = {}

    async def session(self, name: str) -> Wire:
        """``alice`` is an ordinary user; every other name is one more session of the recovery user admin."""
        if name not in self._sessions:
            who = ("alice", self._alice) if name == "alice" else ()
            self._sessions[name] = await self._stack.enter_async_context(session(self._daemon, *who))
        return self._sessions[name]

    async def play(self, turn: Turn) -> Turn:
        """A turn as it went. ``{NAME}`` in what a client sends is the session-id of another session."""
        wire = await self.session(turn.name)
        if turn.side == "server":
            return Turn("server", turn.name, await said(wire))
        text = turn.text
        for other in re.findall(r"\{([\w-]+)\}", text):
            text = text.replace(f"{{{other}}}", str((await self.session(other)).session_id))
        await wire.send(text)
        return turn


async def said(wire: Wire) -> str:
    try:
        return readable(await wire.receive())
    except EOFError:
        return "(the session is closed)"


async def played(daemon: Daemon, alice: Path, recording: str) -> str:
    """A recording as it goes today."""
    title, spoken = turns(recording)
    async with AsyncExitStack() as stack:
        stage = Stage(daemon, alice, stack)
        return written(title, [await stage.play(turn) for turn in spoken])


@pytest.mark.parametrize("name", list(FILES))
async def test_recording(fresh: Daemon, alice: Path, name: str) -> None:
    happened = await played(fresh, alice, FILES[name])
    if UPDATE:
        update(name, happened)
    else:
        assert happened == FILES[name]


def update(name: str, recording: str) -> None:
    (HERE / f"{name}.txt").write_text(recording)


def test_recordings_say_what_they_show() -> None:
    assert len(FILES) >= 25
    for name, recording in FILES.items():
        title, spoken = turns(recording)
        assert len(title.strip()) > 30, name
        assert {turn.side for turn in spoken} == {"client", "server"}, name
        assert all(turn.text for turn in spoken), name


def test_no_recording_holds_what_differs_from_run_to_run() -> None:
    for name, recording in FILES.items():
        told = [turn.text for turn in turns(recording)[1] if turn.side == "server"]
        for pattern, placeholder in VARYING:
            assert {found[0] for text in told for found in re.finditer(pattern, text)} <= {placeholder}, name
