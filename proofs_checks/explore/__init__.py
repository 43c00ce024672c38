"""Questions that the claims mark as numerical or open, each a seeded, resumable experiment with one record.

    python -m proofs_checks.explore            the list
    python -m proofs_checks.explore floor      compute what is missing; into reproduce/results/proofs/explore/

Nothing here is a proof, except where a function says that it returns a bound.
"""
