"""The register of claims: the authors' words first (W), then the theory's (C).

Of the paper an excerpt was available (its abstract, introduction and the first lines of its method); the excerpt does
not print the equation of the loss. The three terms checked here are those of the authors' follow-up (IMSVD, arXiv
2501.03469, public code), with the weight lambda of the invariance term as a parameter: lambda = 0 is the loss of the
joint distribution alone, lambda = 1 the follow-up's. The paper's own theorems may carry hypotheses that the excerpt
does not show, so "false as worded" means: the sentence, read as a statement about minimisers of this loss, has an exact
counterexample; the corrected form says what is true.

kappa = log K - 1 + lambda throughout; tau = mean <q', q''>; gap = L + 3 log K; hard = one-hot.
"""

from proofs_checks.claims import batches, bounds, dependence, dynamics, neighbours, relations, words
from proofs_checks.claims.quotations import QUOTATIONS
from proofs_checks.register import CHECKS, Check, Claim

MODULES = (words, bounds, dependence, batches, relations, neighbours, dynamics)
"""Where the claims are written down, a part of the argument each."""


def _place(claim: Claim) -> tuple[bool, int]:
    return claim.id[0] != "W", int(claim.id[1:])


CLAIMS: dict[str, Claim] = {
    claim.id: claim for claim in sorted((claim for module in MODULES for claim in module.CLAIMS), key=_place)
}
"""Every claim by its id, the words first, each kind in the order of its numbers."""

__all__ = ["CLAIMS", "MODULES", "QUOTATIONS", "checks_of"]


def checks_of(claim: Claim) -> list[Check]:
    """The checks that carry a claim, each once: its own, then those of the claims it rests on."""
    ids = (claim.id, *claim.rests_on)
    return list({check.name: check for one in ids for check in CHECKS.values() if one in check.claims}.values())
