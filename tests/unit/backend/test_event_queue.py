"""Events in order, bounded, awaited without polling."""

import threading

from cryptomap_backend.simulator.events import EventQueue
from cryptomap_backend.state import Event, EventKind


def event(number: int) -> Event:
    return Event(EventKind.TUNNEL_UP, float(number))


def test_events_come_once_in_order() -> None:
    queue = EventQueue()
    queue.publish([event(1), event(2)])
    queue.publish([event(3)])
    assert [item.time for item in queue.take()] == [1, 2, 3]
    assert queue.take() == ()


def test_too_many_are_lost_together_and_said_so() -> None:
    queue = EventQueue(limit=3)
    queue.publish(event(number) for number in range(1, 6))
    first, *rest = queue.take()
    assert (first.kind, first.time) == (EventKind.EVENTS_LOST, 4)
    assert [item.time for item in rest] == [5]


def test_a_reader_is_woken_by_the_first_event() -> None:
    queue = EventQueue()
    taken: list[Event] = []
    reader = threading.Thread(target=lambda: taken.extend(queue.take(30)))
    reader.start()
    queue.publish([event(1)])
    reader.join(30)
    assert [item.time for item in taken] == [1]
