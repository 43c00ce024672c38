"""Every check holds on the library (quick profile: a few examples each, the same on every machine)."""

import pytest

from proofs_checks.objective import Objective
from proofs_checks.profiles import quick_examples
from proofs_checks.register import run
from proofs_checks.trial import CHECKS


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_check_holds_on_the_library(name):
    outcome = run(CHECKS[name], Objective, examples=quick_examples(CHECKS[name].cost), shrink=True)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.tried > 0
