"""Progress bars: what a terminal shows of long work, and that short work shows nothing."""

from __future__ import annotations

import io
import threading

import pytest

from cryptomap.shell import progress
from cryptomap.shell.progress import Bars, Silent


class Terminal(io.StringIO):
    """A terminal that says when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        written = super().write(text)
        if "committing" in text:
            self.written.set()
        return written


def test_steps_are_counted() -> None:
    terminal = Terminal()
    with Bars(terminal).counting("fetching", 4) as step:
        for _ in range(4):
            step()
    assert "fetching" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_long_work_shows_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    terminal = Terminal()
    with Bars(terminal).waiting("committing"):
        assert terminal.written.wait(10)


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_EVERY", 60.0)
    terminal = Terminal()
    with Bars(terminal).waiting("committing"):
        pass
    assert terminal.getvalue() == ""


def test_what_is_no_terminal_is_spared() -> None:
    with Silent().counting("fetching", 2) as step, Silent().waiting("committing"):
        step()
