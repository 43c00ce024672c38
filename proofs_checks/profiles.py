"""How much is tried: the two profiles.

quick     what `pytest proofs_checks` runs: few examples, the same ones on every machine
thorough  at least 10,000 examples a property (fewer only where the property has fewer cases), from a seed
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """How many examples a run tries.

    examples: per check; controls: per declared control, at most, before it counts as a survivor; matrix: the same for a
    wrong loss that the check does not declare, when the whole kill matrix is asked for.
    """

    name: str
    examples: int
    controls: int = 200
    matrix: int = 40


QUICK = Profile("quick", examples=20)
THOROUGH = Profile("thorough", examples=10_000)
PROFILES = {profile.name: profile for profile in (QUICK, THOROUGH)}


def quick_examples(cost: float) -> int:
    """How many examples the quick profile tries of a check of the given cost (1: about two milliseconds an example)."""
    return max(3, round(QUICK.examples / cost))
