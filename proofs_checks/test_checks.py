"""Every check holds on the library (quick profile: a few examples each, the same on every machine)."""

import pytest

import proofs_checks.checks  # noqa: F401  (registers the checks)
from proofs_checks.objective import Objective
from proofs_checks.profiles import quick_examples
from proofs_checks.register import CHECKS, run


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_check_holds_on_the_library(name):
    outcome = run(CHECKS[name], Objective, examples=quick_examples(CHECKS[name].cost), shrink=True)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.tried > 0
