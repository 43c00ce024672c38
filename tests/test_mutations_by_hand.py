"""Every mutation by hand (`proofs_checks/mutation/by_hand.yaml`) turns the test that it names red."""

import pytest
from _pytest.outcomes import Failed
from test_guarantees import call

from proofs_checks.mutation.guarantees import MUTATIONS, taken_away


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_the_named_test_notices(mutation):
    with taken_away(mutation), pytest.raises((AssertionError, Failed, ValueError, TypeError, LookupError)):
        call(mutation)
    call(mutation)


def test_no_mutation_is_listed_twice():
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 60
    assert len({(mutation.function, mutation.line, mutation.instead) for mutation in MUTATIONS}) == len(MUTATIONS)
