"""The steps without a network: datastores, journal with fsync, commit rules, simulator, as the daemon builds them."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lxml import etree

from bench import workload
from bench.report import Figure, Report, milliseconds, resident, settle, timed
from cryptomap.daemon.daemon import COLLECT_AFTER
from cryptomap.data.filter import subtree
from cryptomap.data.view import View
from cryptomap.data.xml import write
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.memory import give_back
from cryptomap.datastore.secrets import Vault
from cryptomap.datastore.statedir import StateDirectory
from cryptomap.datastore.transaction import Origin
from cryptomap.datastore.writer import Writer
from cryptomap.errors import RpcErrors
from cryptomap.ipsec.gateway import Gateway
from cryptomap.ipsec.platform import Facts
from cryptomap.ipsec.scope import Policy
from cryptomap.schema import modules
from cryptomap.schema.nodes import Schema
from cryptomap_backend.load import load

ORIGIN = Origin("bench")


class World:
    """One server's datastores in a directory, without sessions."""

    def __init__(self, directory: Path, schema: Schema) -> None:
        self.schema = schema
        self.state = StateDirectory(directory)
        vault = Vault.open(self.state.key_file, create=self.state.is_new)
        self.gateway = Gateway(schema, load("simulator", {}), vault, Facts(), Policy())
        self.writer = Writer()
        self.datastores = Datastores(
            schema, self.state, vault, participants=[self.gateway.participant], checks=[self.gateway.check]
        )
        self.gateway.attach(self.datastores, self.writer)
        self.datastores.subscribe(self.gateway.listener(lambda notification: None))
        self.datastores.start()

    def edit(self, text: str) -> None:
        self.datastores.edit(ORIGIN, "candidate", etree.fromstring(text, etree.XMLParser(huge_tree=True)))

    def commit(self) -> None:
        self.datastores.commit(ORIGIN)

    def close(self) -> None:
        self.datastores.close()
        self.writer.stop()


def measure(report: Report, count: int, directory: Path, repeat: int = 30) -> None:
    """All steps at one size."""
    gc.set_threshold(COLLECT_AFTER, 5, 100)
    schema = modules.load(modules.default_module_names())
    world = World(directory, schema)

    def add(step: str, runs: list[float], unit: str = "ms", note: str = "", cpu: float | None = None) -> None:
        report.add(Figure(step, count, "in-process", unit, runs, note, cpu))

    def measured(step: str, run: Callable[[], object], repeat: int = repeat, unit: str = "ms") -> None:
        scale = 1000 if unit == "ms" else 1
        begun = time.process_time()
        runs = [seconds * scale for seconds in timed(run, repeat)]
        add(step, runs, unit, cpu=(time.process_time() - begun) * scale / repeat)

    def memory(step: str) -> None:
        now, peak = resident()
        add(step, [now], "MB", f"peak {peak:.0f} MB")

    def bulk_load(whole: str) -> None:
        world.edit(whole)
        world.commit()

    measured("bulk load, one edit-config + commit", partial(bulk_load, workload.whole(count)), 1, "s")
    settle("self")
    give_back()  # as the writer's thread does a second after a large commit
    memory("resident memory")
    values, numbers = itertools.cycle(range(1, 64)), itertools.count(count)
    measured("edit one DSCP leaf + commit", lambda: _one_leaf(world, count, next(values)))
    measured("add one bundle + commit", lambda: _add(world, next(numbers)))
    measured("refused: dangling reference", _refusal(world, workload.dangling(count // 2)))
    measured("refused: must across lists", _refusal(world, workload.shared_rule(count // 2)))
    measured("validate, nothing changed", lambda: world.datastores.validate(ORIGIN, "candidate"))
    measured("commit, nothing changed", world.commit)
    measured("discard, nothing changed", lambda: world.datastores.discard(ORIGIN))
    _reads(world, count, add)
    memory("resident memory, XML cache warm")
    world.close()
    again: list[World] = []
    measured("start to ready, configuration on disk", lambda: again.append(World(directory, schema)), 1, "s")
    again[0].close()


def _one_leaf(world: World, count: int, dscp: int) -> None:
    world.edit(workload.one_leaf(count // 2, dscp))
    world.commit()


def _add(world: World, number: int) -> None:
    world.edit(workload.config([workload.bundle(number)]))
    world.commit()


def _refusal(world: World, text: str) -> Callable[[], None]:
    def run() -> None:
        world.edit(text)
        try:
            world.commit()
        except RpcErrors:
            world.datastores.discard(ORIGIN)
        else:
            raise SystemExit("a commit that must be refused was accepted")

    return run


def _reads(world: World, count: int, add: Callable[..., None]) -> None:
    schema, root = world.schema, world.datastores.running.root

    def whole() -> int:
        return sum(len(piece) for piece in write(schema, root))

    size = whole() / 1e6
    add("full get-config, warm", [size / seconds for seconds in timed(whole, 3)], "MB/s", f"{size:.1f} MB")
    name = f"b{count // 2:06}"
    text = (
        f'<filter><contexts xmlns="{workload.CTX}"><context><name>bench</name>'
        f'<crypto-map xmlns="{workload.IPS}"><name>{name}</name></crypto-map></context></contexts></filter>'
    )
    wanted = etree.fromstring(text)

    def one() -> None:
        found = subtree(schema, View(root, {}), wanted)
        assert found is not None
        assert sum(len(piece) for piece in write(schema, found)) > 500

    add("one map by key", milliseconds(timed(one, 100)))
