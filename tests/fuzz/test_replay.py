"""Each target on its corpus, and on mutations of it that are always the same ones. ``make fuzz`` looks for more."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
MUTATIONS = 300
SLOW = {"yang": 30, "edits": 60, "staros": 60}
"""Mutations where one input takes milliseconds."""

TOKENS = [
    *(b"<", b">", b"/", b'"', b"'", b"&#0;", b"]]>", b"\n##\n", b"\n#1\n"),
    *(b"{", b"}", b"*", b"//", b"[1]", b"..", b"-1", b"\xff", b"\0"),
]


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_and_its_mutations(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    target = TARGETS[name]
    seeds = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    assert sum(map(target, seeds)) >= len(seeds) // 2, "a corpus of inputs that are refused finds little"
    for data in mutated(seeds, SLOW.get(name, MUTATIONS)):
        target(data)


def mutated(seeds: list[bytes], number: int) -> Iterator[bytes]:
    dice = random.Random(8)
    for _ in range(number):
        data = bytearray(dice.choice(seeds))
        for _ in range(dice.randint(1, 4)):
            _mutate(data, seeds, dice)
        yield bytes(data)


def _mutate(data: bytearray, seeds: list[bytes], dice: random.Random) -> None:
    at = dice.randint(0, len(data))
    end = min(len(data), at + dice.randint(1, 12))
    match dice.randrange(5):
        case 0:
            del data[at:end]
        case 1:
            data[at:at] = dice.choice(TOKENS)
        case 2:
            data[at:at] = data[at:end]
        case 3 if at < len(data):
            data[at] = dice.randrange(256)
        case _:
            other = dice.choice(seeds)
            start = dice.randint(0, len(other))
            data[at:end] = other[start : start + dice.randint(1, 40)]
