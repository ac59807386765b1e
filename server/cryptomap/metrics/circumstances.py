"""What is asked for when somebody looks: sessions, datastores, tunnels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cryptomap.ipsec.figures import TunnelFigures
from cryptomap.operations.server import Server

__all__ = ["Circumstances", "Drift", "Tunnels"]

Tunnels: TypeAlias = Callable[[], Iterable[TunnelFigures]]
Drift: TypeAlias = Callable[[], Mapping[str, int]]
"""How many objects the backend holds otherwise than running asks for, by what is wrong with them."""

STATUSES: Final = ("up", "negotiating", "waiting", "down", "incomplete", "unknown")
_TUNNEL: Final = ("context", "crypto_map", "interface")
_COUNTERS: Final = (
    ("bytes", "Bytes of inner packets.", (("in", "bytes_in"), ("out", "bytes_out"))),
    ("packets", "Packets.", (("in", "packets_in"), ("out", "packets_out"))),
)


class Circumstances(Collector):
    """Counters of a tunnel are those of its bind: a rekey does not set them back."""

    def __init__(self, server: Server, tunnels: Tunnels, drift: Drift) -> None:
        self._server = server
        self._tunnels = tunnels
        self._drift = drift

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering asks for nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._sessions()
        yield from self._datastores()
        yield self._differences()
        yield from self._of_tunnels(list(self._tunnels()))

    def _sessions(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("cryptomap_sessions", "NETCONF sessions.", labels=("transport",))
        for transport, count in Counter(session.transport for session in self._server.sessions).items():
            family.add_metric((transport,), count)
        yield family
        statistics = self._server.sessions.statistics
        for name, text, value in (
            ("sessions_started", "NETCONF sessions that began.", statistics.in_sessions),
            ("sessions_dropped", "NETCONF sessions that ended without close-session.", statistics.dropped_sessions),
            ("notifications_sent", "Notifications sent.", statistics.out_notifications),
        ):
            yield CounterMetricFamily(f"cryptomap_{name}", text, value=value)

    def _datastores(self) -> Iterator[Metric]:
        datastores = self._server.datastores
        yield GaugeMetricFamily("cryptomap_last_commit", "Id of the last commit.", value=datastores.head)
        modified = GaugeMetricFamily("cryptomap_candidate_modified", "Whether the candidate differs from running.")
        modified.add_metric((), datastores.modified)
        yield modified
        waits = GaugeMetricFamily("cryptomap_confirmed_commit_waits", "Whether a confirmed commit waits.")
        waits.add_metric((), datastores.pending is not None)
        yield waits
        behind = GaugeMetricFamily("cryptomap_out_of_sync", "Participants that do not follow running.")
        behind.add_metric((), len(datastores.out_of_sync))
        yield behind

    def _differences(self) -> Metric:
        family = GaugeMetricFamily("cryptomap_drift", "What the backend holds otherwise.", labels=("difference",))
        for difference, count in self._drift().items():
            family.add_metric((difference,), count)
        return family

    def _of_tunnels(self, tunnels: list[TunnelFigures]) -> Iterator[Metric]:
        family = GaugeMetricFamily("cryptomap_tunnels", "Tunnels by status.", labels=("status",))
        found = Counter(tunnel.status for tunnel in tunnels)
        for status in STATUSES:
            family.add_metric((status,), found[status])
        yield family
        for name, text, directions in _COUNTERS:
            counter = CounterMetricFamily(f"cryptomap_tunnel_{name}", text, labels=(*_TUNNEL, "direction"))
            for tunnel in tunnels:
                for direction, field in directions:
                    counter.add_metric((*tunnel.id, direction), getattr(tunnel.counters, field))
            yield counter
        drops = CounterMetricFamily("cryptomap_tunnel_replay_drops", "Packets of the past, refused.", labels=_TUNNEL)
        pending = GaugeMetricFamily("cryptomap_tunnel_reapply_pending", "A changed DSCP waits.", labels=_TUNNEL)
        for tunnel in tunnels:
            drops.add_metric(tunnel.id, tunnel.counters.replay_failures)
            if tunnel.reapply_pending:
                pending.add_metric(tunnel.id, 1)
        yield drops
        yield pending
        total = GaugeMetricFamily("cryptomap_reapply_pending", "Tunnels that wait for a re-apply.")
        total.add_metric((), sum(tunnel.reapply_pending for tunnel in tunnels))
        yield total
