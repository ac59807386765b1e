"""A dynamic subscription to the event stream (RFC 8639 section 2.4)."""

from __future__ import annotations

from cryptomap.data.build import Plain, date_and_time, seconds_of
from cryptomap.data.tree import Node
from cryptomap.errors import InvalidValue
from cryptomap.operations.access import Reader
from cryptomap.operations.call import Call
from cryptomap.operations.notifications.feed import Feed
from cryptomap.operations.notifications.records import Record
from cryptomap.operations.notifications.refusals import refusal
from cryptomap.operations.notifications.selection import STREAM, Selection
from cryptomap.operations.notifications.subscription import STREAM as STREAM_NAME
from cryptomap.operations.notifications.subscriptions import Dynamic

__all__ = ["StreamSubscription"]


class StreamSubscription(Dynamic):
    """The events a filter takes, those of the past as well if ``replay-start-time`` is given."""

    kind = STREAM

    def __init__(self, call: Call, given: Node) -> None:
        super().__init__(call, given)
        if given.text("stream") != STREAM_NAME:
            raise InvalidValue(f"the only stream is {STREAM_NAME}", info=[("bad-element", "stream")])
        self._since = _since(call, given.text("replay-start-time"))
        self.revised: str | None = None
        """Where the replay begins if that is later than what was asked for."""
        if self._since is not None:
            self.revised = self._revision(self._since)
        self._feed = Feed(
            call.server,
            call.session,
            self._takes,
            since=self._since,
            until=self.until,
            replayed=lambda: self.say("replay-completed", {}),
            completed=self.finish,
        )

    def begin(self) -> None:
        super().begin()
        self._feed.begin()

    def end(self) -> None:
        super().end()
        self._feed.end()

    def select(self, selection: Selection) -> None:
        self.selection = selection

    def stop_at(self, until: float | None) -> None:
        self.until = until
        self._feed.stop_at(until)

    def policy(self) -> Plain:
        since = None if self._since is None else date_and_time(self._since)
        return {**self.common_policy(), "stream": STREAM_NAME, "replay-start-time": since}

    @property
    def counts(self) -> tuple[int, int]:
        return self._feed.sent, self._feed.excluded

    def _takes(self, record: Record, reader: Reader) -> bool:
        return self.selection.takes(record.schema, record, reader, self.server.limits.xpath_nodes)

    def _revision(self, since: float) -> str | None:
        replay = self.server.notifier.replay
        assert replay is not None
        begin = replay.created if replay.aged is None else replay.aged
        return date_and_time(begin) if since < begin else None


def _since(call: Call, text: str | None) -> float | None:
    """When a replay begins. Raises the refusal replay-unsupported."""
    if text is None:
        return None
    since = seconds_of(text)
    if call.server.notifier.replay is None:
        raise refusal("replay-unsupported", "no events of the past are kept here")
    if since >= call.server.timers.time():
        raise refusal("replay-unsupported", f"replay-start-time {text} is not in the past")
    return since
