"""libyang as an independent judge, through its program yanglint kept open: a verdict costs a tenth of a millisecond."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

__all__ = ["Yanglint", "need_yanglint"]

_DONE = "=done"


def need_yanglint() -> str:
    """The program; skips the test that asks for it where it is not installed, and fails it in CI."""
    program = shutil.which("yanglint")
    if program is None:
        lack = "yanglint (Debian package libyang2-tools) is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(lack)
        pytest.skip(lack)
    return program


class Yanglint:
    """One yanglint with some modules loaded. ``features`` are those that are on, as ``module:name``; without any, all
    are on."""

    def __init__(self, modules: Iterable[Path], search: Sequence[Path] = (), features: Sequence[str] = ()) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="yanglint-")
        self._data = Path(self._directory.name, "data.xml")
        on = " ".join(f"-F {feature}" for feature in features)
        self._setup = [
            *[f"searchpath {directory}" for directory in search],
            f"add -i {on} {' '.join(map(str, modules))}",
        ]
        self._process = self._start()

    def refusal(self, xml: bytes) -> str | None:
        """What libyang has against a configuration, its first objection; empty if it is valid; ``None`` if it died of
        it."""
        self._data.write_bytes(xml or b"<!-- nothing -->")
        said = self._ask(f"data -t config {self._data}")
        if said is None:
            self._stop()
            self._process = self._start()
            return None
        lines = [line for line in said.splitlines() if " warn" not in line and line]
        return lines[0] if lines else ""

    def close(self) -> None:
        self._stop()
        self._directory.cleanup()

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            [need_yanglint()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOME": self._directory.name},
        )
        for command in self._setup:
            said = self._ask(command)
            assert said is not None
            assert not re.search(r" err |\[E\]", said), said
        return self._process

    def _stop(self) -> None:
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()

    def _ask(self, command: str) -> str | None:
        """What is said to a command, or ``None`` if the program has ended."""
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self._process.stdin.write(f"{command}\n{_DONE}\n")
        self._process.stdin.flush()
        said = []
        for line in self._process.stderr:
            if _DONE in line:
                return "".join(said)
            said.append(line)
        return None
