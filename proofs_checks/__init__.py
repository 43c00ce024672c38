"""The theory of MUSIC as a suite of checks: claims, their premises, and wrong losses that must go red.

    python -m proofs_checks                 one row a claim
    python -m proofs_checks --controls      the kill matrix: every wrong loss against every check
    python -m proofs_checks --target M:A    the same checks on anybody's implementation (docs/conformance.md)

A check is a plain function whose first argument is an `Objective` (see `objective.py`): the library's own, or a wrong
one. The rooms:

    claims     what is claimed, and why it is true
    checks     the properties that carry the claims
    premises   what a check starts from: strategies, exact constructions
    numbers    what it computes with: exact arithmetic, enclosures, tolerances, formulas by a second route
    wrong      losses that the checks must refute
    mutation   the library's own code, changed a little everywhere, and the judge of that
    explore    questions that the claims leave open
    formal     theorems behind the claims, checked by Coq
    conformance somebody else's implementation under test: of MUSIC, or of one of its peers
"""

from musiclib.installed import ROOT

RESULTS = ROOT / "reproduce" / "results" / "proofs"
"""Where results are stored for the repository."""
