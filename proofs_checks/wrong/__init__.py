"""Wrong losses: each replaces one part of `Assembled`. A check that none of them can fail checks nothing."""

from collections.abc import Callable

from proofs_checks.objective import Objective
from proofs_checks.wrong import codings, joints, terms

MUTANTS: dict[str, Callable[[], Objective]] = {**codings.MUTANTS, **joints.MUTANTS, **terms.MUTANTS}
"""name -> class; called without arguments, a fresh one for every example (some keep state, which is their fault)."""
