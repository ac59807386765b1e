"""Answers of the server as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lxml import etree

from cryptomap.client.operations import Commit, Difference, Effect, Finding, Plan, Trace

__all__ = ["FORMS", "commit_lines", "difference_text", "plan_lines", "table", "trace_lines"]

FORMS = ("tree", "xml", "staros", "lines")
"""The ways to tell a difference."""

WORDS = {
    "create": "created",
    "teardown": "torn down",
    "re-establish": "torn down and negotiated anew",
    "rekey": "re-keyed",
    "update-in-place": "updated in place",
    "reapply-pending": "waiting for a re-apply",
}
SEVERITY = ("teardown", "re-establish", "rekey", "create", "update-in-place", "reapply-pending")


def plan_lines(plan: Plan) -> Iterator[str]:
    """What the commit changes, what becomes of which tunnel, what is warned of, or why it would be refused."""
    if not plan.accepted:
        yield from plan.tree.splitlines()
        yield "the commit would be refused, and nothing would change:"
        yield from [f"  {_finding(refusal)}" for refusal in plan.refusals]
        return
    if not plan.tree:
        yield "there is nothing to commit"
        return
    yield from plan.tree.splitlines()
    yield ""
    yield _summary(plan)
    yield from _effects(plan)
    if plan.marking:
        yield "the QoS maps of the backend change"
    yield from [f"warning: {_finding(warning)}" for warning in plan.warnings]
    yield from [f"limit: {limit}" for limit in plan.limits]


def _summary(plan: Plan) -> str:
    effects = (*plan.tunnels, *plan.services)
    counts = [(sum(effect.effect == kind for effect in effects), WORDS[kind]) for kind in SEVERITY]
    parts = [f"{count} {words}" for count, words in counts if count]
    if not parts:
        return "no tunnel is touched"
    noun = "SA drops" if plan.drops == 1 else "SAs drop"
    return f"tunnels: {', '.join(parts)}; {plan.drops or 'no'} established {noun}"


def _effects(plan: Plan) -> Iterator[str]:
    rows = [_row(f"{effect.where[1]} on {effect.where[2]}", effect) for effect in plan.tunnels]
    rows += [_row(f"service {effect.where[1]}", effect) for effect in plan.services]
    if rows:
        yield from table(("context", "tunnel", "effect", "drops", "why"), rows)


def _row(name: str, effect: Effect) -> tuple[str, ...]:
    pending = effect.reapply_pending and effect.effect != "reapply-pending"
    what = f"{effect.effect}, reapply-pending" if pending else effect.effect
    return effect.where[0], name, what, str(effect.drops), "; ".join(effect.reasons)


def _finding(finding: Finding) -> str:
    where = f" at {finding.path}" if finding.path else ""
    kind = finding.rule or finding.tag
    return f"{kind + ': ' if kind else ''}{finding.message}{where}"


def commit_lines(commits: Sequence[Commit]) -> Iterator[str]:
    """The history, a line a commit."""
    rows = [
        (
            str(one.id),
            one.time.replace("T", " ").partition(".")[0],
            one.username,
            one.source,
            one.kind,
            f"+{one.created} ~{one.modified} -{one.deleted}",
            one.message,
        )
        for one in commits
    ]
    return table(("id", "time (UTC)", "user", "from", "kind", "changes", "message"), rows)


def difference_text(difference: Difference, form: str) -> str:
    """A difference in one of the :data:`FORMS`."""
    if form == "xml":
        change = difference.change
        return etree.tostring(etree.fromstring(change), pretty_print=True, encoding="unicode") if change else ""
    text = {"tree": difference.tree, "staros": difference.staros, "lines": difference.lines}[form]
    return f"{text.rstrip()}\n" if text else ""


def trace_lines(trace: Trace) -> Iterator[str]:
    """The way of a packet, and what decided each step."""
    for name, result, decided_by in trace.steps:
        yield f"{name:<22}{result}"
        if decided_by:
            yield f"{'':<22}by {decided_by}"
    if not trace.protected:
        yield f"not protected: {trace.reason}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as what is in them."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        yield "  ".join([f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]).rstrip()
