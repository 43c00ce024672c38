"""The generated parts of docs/conformance.md: the two outsiders' code and what became of them, from the record."""

from __future__ import annotations

import inspect
import json

from proofs_checks.conformance import examples, verdicts
from proofs_checks.conformance.command import RECORD
from proofs_checks.conformance.peer_checks import MEANS
from proofs_checks.conformance.peers import PEERS
from proofs_checks.report import describe_origin, markdown_table


def code(name: str) -> str:
    """An outsider's adapter as it stands in `examples.py`."""
    return f"```python\n{inspect.getsource(getattr(examples, name)).strip()}\n```"


def verdict(name: str) -> str:
    """What became of an outsider's adapter, from the record."""
    path = f"{examples.__name__}:{name}"
    data = json.loads(RECORD.read_text(encoding="utf-8"))[path]
    origin = describe_origin(f"python -m proofs_checks --target {path} --write", data["provenance"])
    return f"{verdicts.markdown(data)}\n\n*{origin}.*"


def peers() -> str:
    """How an adapter of each peer is called, and what is stated of it."""
    rows = []
    for peer in PEERS.values():
        call = f"`{peer.name}({', '.join((*peer.arguments, *peer.numbers))})`"
        values = ["; ".join(f"{x.what}: {x.value:.6g}" for x in some) for some in (peer.optimum, peer.collapse)]
        rows.append((call, values[0], values[1] or "not stated", "; ".join(peer.unchanged), ", ".join(peer.still)))
    head = "| Called as | Optimum | Collapse | Unchanged by | No gradient to |"
    means = markdown_table("| Check | A failure usually means |", MEANS.items())
    return f"{markdown_table(head, rows)}\n\n{means}"


PARTS = {
    "plain": lambda: code("plain"),
    "plain-verdict": lambda: verdict("plain"),
    "clamped": lambda: code("Clamped"),
    "clamped-verdict": lambda: verdict("Clamped"),
    "peers": peers,
}
"""The parts of the page by the name of their mark."""


def parts() -> str:
    """All parts as JSON, by name."""
    return json.dumps({name: part() for name, part in PARTS.items()})
