"""The writer's thread."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Iterator

import pytest

from cryptomap.datastore.writer import Writer


@pytest.fixture
def writer() -> Iterator[Writer]:
    writer = Writer()
    yield writer
    writer.stop()


async def test_everything_runs_on_one_thread_in_order(writer: Writer) -> None:
    seen: list[tuple[int, str]] = []

    def job(number: int) -> None:
        seen.append((number, threading.current_thread().name))

    await asyncio.gather(*(writer.run(job, number) for number in range(20)))
    assert seen == [(number, "writer") for number in range(20)]


async def test_results_and_errors_come_back(writer: Writer) -> None:
    assert await writer.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await writer.run(divmod, 7, 0)


async def test_a_wait_that_is_cancelled_does_not_stop_what_has_begun(writer: Writer) -> None:
    begun, go, done = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def commit() -> None:
        loop.call_soon_threadsafe(begun.set)
        go.wait(10)
        done.set()

    waiting = asyncio.create_task(writer.run(commit))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    await writer.run(int)
    assert done.is_set()


async def test_a_wait_cancelled_in_the_queue_never_begins(writer: Writer) -> None:
    go, ran = threading.Event(), threading.Event()
    first = writer.submit(go.wait, 10)
    second = asyncio.create_task(writer.run(ran.set))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    go.set()
    await asyncio.wrap_future(first)
    await writer.run(int)
    assert not ran.is_set()


def test_tick_runs_after_each_function_and_when_its_time_has_come(writer: Writer) -> None:
    ticked: list[int] = []
    enough = threading.Event()

    def tick() -> float | None:
        ticked.append(1)
        if len(ticked) == 5:
            enough.set()
        return 0.0 if len(ticked) < 5 else None

    writer.on_tick(tick)
    assert enough.wait(10)
    writer.submit(int).result(10)
    writer.submit(int).result(10)
    assert len(ticked) >= 6


def test_a_tick_that_fails_is_logged_and_the_writer_goes_on(writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    writer.on_tick(lambda: 1 / 0)
    assert writer.submit(int).result(10) == 0
    assert writer.submit(int).result(10) == 0
    assert "ZeroDivisionError" in caplog.text


def test_stop_runs_what_was_submitted_before() -> None:
    writer = Writer()
    ran = writer.submit(int)
    writer.stop()
    assert ran.done()


async def test_what_a_job_was_given_is_let_go_of_when_it_has_run(writer: Writer) -> None:
    class Document:
        pass

    gone = threading.Event()
    document = Document()
    weakref.finalize(document, gone.set)
    await writer.run(id, document)
    del document
    assert await asyncio.to_thread(gone.wait, 10)
