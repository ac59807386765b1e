"""samples/netconf-console2.md, typed in: every shell block runs, in order, and prints what the block after it shows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from lxml import etree

from support.server import PATIENCE, ROOT, SAMPLES, Daemon, require
from support.state import assert_seed_is_up
from support.world import WorldProcess

TEXT = (SAMPLES / "netconf-console2.md").read_text()


@dataclass(frozen=True)
class Block:
    """What is typed, below which heading, and what is then printed."""

    title: str
    typed: str
    printed: str


_PART = re.compile(
    r"^## (?P<title>[^\n]*)$|^```sh\n(?P<sh>.*?)^```$(?:\n\n```xml\n(?P<xml>.*?)^```$)?", re.MULTILINE | re.DOTALL
)


def blocks() -> list[Block]:
    found, title = [], ""
    for part in _PART.finditer(TEXT):
        title = part["title"] or title
        if part["sh"]:
            found.append(Block(title, part["sh"], part["xml"] or ""))
    return found


PREAMBLE, *BLOCKS = blocks()


class Shell:
    """Types blocks in the checkout, after the block that is typed once per terminal."""

    def __init__(self, daemon: Daemon, program: str) -> None:
        self.preamble = PREAMBLE.typed.replace(".venv/bin/netconf-console2", program)
        for placeholder, value in (("HOST", daemon.host), ("PORT", str(daemon.port)), ("KEY", str(daemon.key))):
            assert re.search(rf"\b{placeholder}\b", self.preamble)
            self.preamble = re.sub(rf"\b{placeholder}\b", value, self.preamble)

    def type(self, text: str) -> str:
        """What is printed."""
        command = ["bash", "-c", f"set -eu\n{self.preamble}\n{text}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        assert done.stderr == ""
        return done.stdout


@pytest.fixture(scope="module")
def shell(make_daemon: Callable[..., Daemon], world: WorldProcess) -> Shell:
    return Shell(make_daemon(settings=world.settings).start(), require("netconf-console2"))


def test_there_is_something_to_type() -> None:
    assert len(BLOCKS) >= 10
    assert all(block.printed for block in BLOCKS)


@pytest.mark.parametrize("number", range(len(BLOCKS)), ids=[f"{n}-{block.title}" for n, block in enumerate(BLOCKS)])
def test_block(shell: Shell, number: int) -> None:
    block = BLOCKS[number]
    printed = shell.type(block.typed)
    if "--hello" in block.typed:  # netconf-console2 prints capabilities in the order of a Python set
        assert all(line in printed for line in block.printed.splitlines() if line != "...")
        return
    assert re.search(_pattern(block.printed), printed, re.S), printed


def test_the_seed_became_state(shell: Shell, world: WorldProcess) -> None:
    assert_seed_is_up(etree.fromstring(shell.type("nc2 --get").encode()))
    assert {sa.applied_dscp for state in world.remote.observe().tunnels.values() for sa in state.children} == {0x28}


def _pattern(shown: str) -> str:
    """Lines that follow each other, whatever their indentation; ``...`` is anything, on a line of its own or not."""
    return r"\s*".join(".*?".join(map(re.escape, line.split("..."))) for line in shown.splitlines())
