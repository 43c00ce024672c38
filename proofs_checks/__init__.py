"""The theory of MUSIC as a suite of checks: claims, their premises, exact constructions, and wrong losses that must go
red.

    python -m proofs_checks                 # one row a claim
    python -m proofs_checks --controls      # the kill matrix: every wrong loss against every check

Read `claims` for what is claimed and why it is true, `checks` for the properties, `mutants` and `wrong` for the wrong
losses. A check is a plain function whose first argument is an `Objective` (see `objective.py`): the library's own, or a
wrong one.
"""
