"""The batch's last run: a tree of leads that comes to one page, each node citing what it read.

Groups are as large as the model's window and the budget allow. Where a lead fails, the rules that it stands for write
its page, and the page at the top says so: a lost node loses no service.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import accumulate
from typing import cast

from actors import prompts
from actors.contracts import Outcome, Task
from actors.session import byte_length
from actors.specialists.lead import LEAD, Overview
from orchestrator import synthesis_records as records
from orchestrator.causes import Causes
from orchestrator.estate import Standing
from orchestrator.evidence import Evidence
from orchestrator.lead_costs import PAYLOAD_BYTES_MIN, WINDOW_TOKENS, affords, hold_tokens, payload_bytes
from orchestrator.lead_pages import LISTS, SHAPES, page_of, shortened
from orchestrator.patterns import Tree
from orchestrator.runs import Run, State
from orchestrator.synthesis_page import RULES, Led, page_over
from orchestrator.synthesis_records import Covered, Json

RUN_ID = "@synthesis"  # no service's name begins with an @
DEADLINE_S_MIN = 180.0  # a page of 8,192 tokens at 50 tokens a second
TURNS_MAX = 2  # the page, and one repair of it
DETAILS = (5, 3, 1)  # findings of a service that are shown, the most that the budget allows
READ_MIN = 20  # services that a lead is asked about, where there are more: fewer say nothing of what all have in common


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a node may take. `tokens_left` is what the batch has left for all nodes; None: no ceiling.

    `waits`: whether a node that cannot be paid for just now waits until others give back what they did not need.
    """

    batch_id: str
    tokens_per_task: int
    tokens_left: int | None = None
    deadline_s: float = DEADLINE_S_MIN
    window_tokens: int = WINDOW_TOKENS
    priority: int = 0
    waits: bool = True

    @property
    def tokens_max(self) -> int:
        """The ceiling of one node."""
        left = self.window_tokens if self.tokens_left is None else self.tokens_left
        return max(1, min(self.window_tokens, self.tokens_per_task, left))

    @property
    def payloads(self) -> Sequence[int]:
        """Bytes that a node may be given to read, the most first: smaller nodes hold less while others are read."""
        most = payload_bytes(self.tokens_max)
        return [size for size in (most, most // 2, most // 4, most // 8) if size >= PAYLOAD_BYTES_MIN or size == most]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A service's record or a node's page, with the counts and the nodes that it stands for."""

    id: str
    body: Json
    size_bytes: int
    covered: Covered
    nodes: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class LeadMerge:
    """How leads merge: what they are given, what of their answer stands, and who stands in for one that failed."""

    bounds: Bounds
    payload_bytes: int
    facts: Mapping[str, Json]  # of every service, by name
    evidence: Mapping[str, Evidence]

    def groups(self, items: Sequence[Item]) -> Sequence[Sequence[Item]]:
        groups = list(_packed(items, self.payload_bytes))
        if len(groups) < max(2, len(items)):
            return groups
        return [items[n : n + 2] for n in range(0, len(items), 2)]  # too large for two: leads that fail, and rules

    def task(self, level: int, place: int, items: Sequence[Item]) -> Task:
        bounds, inputs = self.bounds, _inputs(items)
        task_id = f"{RUN_ID}/{level}.{place}-{_fingerprint(inputs)}"
        what = f"{records.total([i.covered for i in items]).services} services"
        task = Task(
            id=task_id,
            run_id=RUN_ID,
            agent=LEAD.name,
            objective=f"Write one page about these {what}: what to do first, what they have in common, whose it is, "
            "and what is not known.",
            output_schema=Overview.__name__,
            tokens_max=bounds.tokens_max,
            deadline_s=max(DEADLINE_S_MIN, bounds.deadline_s),
            turns_max=TURNS_MAX,
            idempotency_key=f"{bounds.batch_id}/{task_id}",
            inputs=inputs,
            priority=bounds.priority,
        )
        opening_bytes = byte_length(prompts.opening(task))
        return replace(task, tokens_max=min(bounds.tokens_max, hold_tokens(opening_bytes)))

    def item(self, task: Task, items: Sequence[Item], outcome: Outcome) -> Item:
        inputs = task.inputs
        covered = records.total([item.covered for item in items])
        told, struck, trouble = page_of(inputs, outcome, covered)
        node: Json = {
            "node": task.id,
            "by": RULES if trouble else LEAD.name,
            "trouble": trouble,
            "services": covered.services,
            "read": [item.id for item in items],
            "struck": struck,
        }
        half = self.payload_bytes // 2  # so that at least two pages fit a node
        body, size = next((b, s) for b, s in self._bodies(task.id, told, trouble) if s <= half or not _lists(b))
        nodes = tuple(node for item in items for node in item.nodes)
        return Item(id=task.id, body=body, size_bytes=size, covered=covered, nodes=(*nodes, node))

    def _bodies(self, part: str, page: Overview, trouble: str) -> Iterator[tuple[Json, int]]:
        """A page as a higher lead reads it, whole first, then ever shorter."""
        for shape in SHAPES:
            told = shortened(page.model_dump(), *shape)
            named = {f["service"] for f in told["first"]}
            named |= {s for name in LISTS for entry in told[name] for s in entry.get("services", ())}
            body: Json = {
                "part": part,
                "by": RULES if trouble else LEAD.name,
                "facts": {name: self.facts[name] for name in sorted(named)},
                "overview": told,
            }
            yield body, records.size_bytes(body)


@dataclass(frozen=True, slots=True)
class Read:
    """What leads are given: records, how many bytes of them each node, and which services there is no money for."""

    leaves: Sequence[Item] = ()
    payload_bytes: int = PAYLOAD_BYTES_MIN
    left_out: Sequence[str] = ()


def synthesis_run(standings: Sequence[Standing], evidence: Mapping[str, Evidence], bounds: Bounds) -> Run:
    """The run that comes to one page about all `standings`, whose findings are in `evidence`, by name."""
    read = _read(standings, evidence, bounds)
    merge = LeadMerge(bounds, read.payload_bytes, {s.brief.name: records.facts(s) for s in standings}, evidence)
    return Run(id=RUN_ID, pattern=Tree(read.leaves, merge), subject="synthesis", context={"left_out": [*read.left_out]})


def synthesis_page(run: Run, state: State, standings: Sequence[Standing]) -> Json:
    """The last page as `summary["synthesis"]`: by rules over all services where leads did not come to one."""
    assert isinstance(run.pattern, Tree)
    merge = cast(LeadMerge, run.pattern.merge)
    root: Item | None = run.pattern.root(state) if state.planned else None
    if root is None:
        return page_over(standings, merge.evidence, Led(trouble=_why_none(run.pattern, state, standings)))
    left_out: list[str] = list(run.context["left_out"])  # type: ignore[arg-type]
    led = Led(told=root.body["overview"], nodes=root.nodes, left_out=left_out, trouble=root.nodes[-1]["trouble"])
    return page_over(standings, merge.evidence, led)


def _why_none(tree: Tree[Item], state: State, standings: Sequence[Standing]) -> str:
    """Why no lead wrote the page at the top, where no node did."""
    if not any(standing.brief.tasks_succeeded for standing in standings):
        return "no task was answered, so there was nothing for leads to read"
    if not tree.leaves:
        return "what the budget had left pays for no lead"
    return f"the batch ended before its leads {'had' if state.planned else 'were asked'}"


def _read(standings: Sequence[Standing], evidence: Mapping[str, Evidence], bounds: Bounds) -> Read:
    """Every service at the greatest detail that the budget allows, or else those of the highest ranks."""
    causes = Causes.of(standing.brief for standing in standings)
    ordered = records.by_cause(standings, causes)
    leaves: list[Item] = []
    for findings_max in DETAILS:
        leaves = [_leaf(s, evidence[s.brief.name], causes, findings_max) for s in ordered]
        size = sum(leaf.size_bytes + 1 for leaf in leaves)
        for payload in bounds.payloads:
            if affords(bounds.tokens_left, size, payload, waits=bounds.waits):
                return Read(leaves, payload)
    ranked = sorted(leaves, key=lambda leaf: int(leaf.body["rank"]))
    kept, payload = max((_affordable(ranked, payload, bounds), payload) for payload in bounds.payloads)
    if kept < READ_MIN:
        return Read(left_out=[leaf.id for leaf in ranked])
    read = {leaf.id for leaf in ranked[:kept]}
    return Read([leaf for leaf in leaves if leaf.id in read], payload, [leaf.id for leaf in ranked[kept:]])


def _affordable(ranked: Sequence[Item], payload: int, bounds: Bounds) -> int:
    """How many of the highest ranks the budget has for, in nodes of this size."""
    sizes = list(accumulate(leaf.size_bytes + 1 for leaf in ranked))
    return bisect_left(sizes, True, key=lambda size: not affords(bounds.tokens_left, size, payload, waits=bounds.waits))


def _leaf(standing: Standing, evidence: Evidence, causes: Causes, findings_max: int) -> Item:
    body = records.record(standing, evidence, causes, findings_max=findings_max)
    covered = records.covered_by(standing)
    return Item(id=standing.brief.name, body=body, size_bytes=records.size_bytes(body), covered=covered)


def _packed(items: Sequence[Item], bytes_max: int) -> Iterator[list[Item]]:
    """`items` in their order, each group as long as it fits."""
    group: list[Item] = []
    size = 0
    for item in items:
        if group and size + item.size_bytes + 1 > bytes_max:
            yield group
            group, size = [], 0
        group.append(item)
        size += item.size_bytes + 1
    yield group


def _inputs(items: Sequence[Item]) -> Json:
    kind = "parts" if items[0].nodes else "services"
    return {kind: [item.body for item in items], "covered": records.total([item.covered for item in items]).as_json()}


def _fingerprint(inputs: Json) -> str:
    """Part of a node's id, so that a resumed batch whose services have changed asks again."""
    return blake2b(prompts.compact(inputs).encode("utf-8", "replace"), digest_size=5).hexdigest()


def _lists(body: Json) -> bool:
    """Whether a body can still become shorter."""
    return any(body["overview"][name] for name in LISTS)
