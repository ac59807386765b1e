"""Bars for what takes a while; nothing at all where the output is no terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, Protocol, TextIO

import click

__all__ = ["Bars", "Progress", "Silent", "on_terminal"]

_EVERY: Final = 0.2
"""Seconds between two looks at work of unknown length."""


class Progress(Protocol):
    """Tells how long work goes on."""

    def counting(self, label: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """Around so many steps; what it gives is called after each."""
        ...

    def waiting(self, label: str) -> AbstractContextManager[None]:
        """Around work of unknown length."""
        ...


class Silent:
    """Tells nothing."""

    @contextmanager
    def counting(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        yield lambda: None

    @contextmanager
    def waiting(self, label: str) -> Iterator[None]:
        yield


class Bars:
    """Bars of click on a terminal."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    @contextmanager
    def counting(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        with click.progressbar(length=total, label=label, file=self._file) as bar:
            yield lambda: bar.update(1)

    @contextmanager
    def waiting(self, label: str) -> Iterator[None]:
        """Appears only if the work is not done at once."""
        done = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(label, done), daemon=True)
        ticker.start()
        try:
            yield
        finally:
            done.set()
            ticker.join()

    def _tick(self, label: str, done: threading.Event) -> None:
        if done.wait(_EVERY):
            return
        endless: Any = iter(int, 1)
        with click.progressbar(endless, label=label, file=self._file, show_eta=False) as bar:
            while not done.wait(_EVERY):
                bar.update(1)


def on_terminal() -> Progress:
    """Bars on standard error, if that is a terminal."""
    return Bars(sys.stderr) if sys.stderr.isatty() else Silent()
