"""The programs of the system that the kernel's interfaces for nftables, links and tc are spoken through."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence, Set
from typing import Any

from cryptomap_backend.contract import ApplyFailed, Unavailable
from cryptomap_backend.linux.egress import COS, Egress, Marked, Priorities
from cryptomap_backend.linux.namespace import inside
from cryptomap_backend.linux.nft import Program, document, removal

__all__ = ["load", "nft_version", "remove", "see_egress", "set_egress"]

PATIENCE = 30
"""Seconds after which a program counts as stuck."""
PATHS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
FAMILIES = ("ip", "ipv6")
FILTER = re.compile(r"pref (\d+) basic chain 0 handle (?:(?!\nfilter).)*? label (\d+) tc (\d+)", re.DOTALL)


class ProgramFault(Exception):
    """A program said no; the text is what it said."""


def nft_version() -> str:
    """The version of nft, e.g. ``1.0.6``. Raises Unavailable."""
    found = re.search(r"v(\S+)", _said("", ("nft", "--version")))
    return found[1] if found else "unknown"


# ===== nftables =====


def load(namespace: str, program: Program) -> None:
    """Raises ApplyFailed, also if a VRF device is not there: nftables would wait for it in silence."""
    _demand_vrfs(namespace, {device for _, device in program.vrfs})
    _do(namespace, ("nft", "-f", "-"), document(program))


def remove(namespace: str, table: str) -> None:
    """Raises ApplyFailed."""
    _do(namespace, ("nft", "-f", "-"), removal(table))


def _demand_vrfs(namespace: str, devices: Set[str]) -> None:
    there = _shown(namespace, ("ip", "-j", "link", "show", "type", "vrf")) if devices else ()
    missing = devices - {link.get("ifname") for link in there}
    if missing:
        raise ApplyFailed(f"{', '.join(sorted(missing))} is not a VRF device{_where(namespace)}")


# ===== links and tc =====


def set_egress(egress: Egress, priorities: Priorities, marked: Marked) -> None:
    """Raises ApplyFailed."""
    if _is_vlan(egress):
        pairs = [f"{priorities.of(cos)}:{pcp}" for cos, pcp in zip(COS, marked.pcps, strict=True)]
        _do(egress.namespace, ("ip", "link", "set", "dev", egress.device, "type", "vlan", "egress-qos-map", *pairs))
    if marked.label is not None:
        _ensure_classifier(egress)
        _do(egress.namespace, ("tc", "-batch", "-"), "\n".join(_filters(egress.device, priorities, marked)) + "\n")


def see_egress(egress: Egress, priorities: Priorities) -> Marked:
    """Raises Unavailable."""
    link = _shown(egress.namespace, ("ip", "-j", "-d", "link", "show", "dev", egress.device))[0]
    vlan = link.get("linkinfo", {}).get("info_data", {}).get("egress_qos", [])
    filters = dict(_seen_filters(egress, priorities)) if egress.label is not None else {}
    return Marked.seen(priorities, vlan, filters)


def _is_vlan(egress: Egress) -> bool:
    link = _shown(egress.namespace, ("ip", "-j", "-d", "link", "show", "dev", egress.device))[0]
    return bool(link.get("linkinfo", {}).get("info_kind") == "vlan")


def _filters(device: str, priorities: Priorities, marked: Marked) -> Iterator[str]:
    for cos, traffic_class in enumerate(marked.traffic_classes):
        for offset, family in enumerate(FAMILIES):
            preference = priorities.filter_preference(cos) + offset
            yield (
                f"filter replace dev {device} egress protocol {family} pref {preference} handle 1 basic"
                f' match "meta(priority eq {priorities.of(cos)})"'
                f" action mpls push label {marked.label} tc {traffic_class} ttl 64"
            )


def _ensure_classifier(egress: Egress) -> None:
    kinds = {item["kind"] for item in _shown(egress.namespace, ("tc", "-j", "qdisc", "show", "dev", egress.device))}
    if "clsact" not in kinds:
        _do(egress.namespace, ("tc", "qdisc", "add", "dev", egress.device, "clsact"))


def _seen_filters(egress: Egress, priorities: Priorities) -> Iterator[tuple[int, tuple[int, int]]]:
    """(cos, (label, TC)) of our IPv4 filters; those for IPv6 are always made with them.

    Read from the text, because what ``tc -j`` prints for this classifier is not JSON (iproute2 6.1).
    """
    text = _said(egress.namespace, ("tc", "filter", "show", "dev", egress.device, "egress"))
    cos_of = {priorities.filter_preference(cos): cos for cos in COS}
    for preference, label, traffic_class in FILTER.findall(text):
        if int(preference) in cos_of:
            yield cos_of[int(preference)], (int(label), int(traffic_class))


# ===== running =====


def _do(namespace: str, command: Sequence[str], given: str = "") -> None:
    try:
        with inside(namespace):
            _run(command, given)
    except ProgramFault as fault:
        raise ApplyFailed(f"{command[0]} failed{_where(namespace)}: {fault}") from fault


def _shown(namespace: str, command: Sequence[str]) -> Any:
    return json.loads(_said(namespace, command) or "[]")


def _said(namespace: str, command: Sequence[str]) -> str:
    try:
        with inside(namespace):
            return _run(command)
    except ProgramFault as fault:
        raise Unavailable(f"{command[0]} failed{_where(namespace)}: {fault}") from fault


def _run(command: Sequence[str], given: str = "") -> str:
    """Its output. Raises ProgramFault."""
    environment = {"PATH": PATHS, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=PATIENCE, env=environment)
    except FileNotFoundError as fault:
        raise ProgramFault(f"{command[0]} is not installed") from fault
    except subprocess.TimeoutExpired as fault:
        raise ProgramFault(f"{command[0]} did not end within {PATIENCE} s") from fault
    if done.returncode:
        raise ProgramFault(_first_line(done.stderr) or f"exit status {done.returncode}")
    return done.stdout


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""


def _where(namespace: str) -> str:
    return f" in namespace {namespace}" if namespace else ""
