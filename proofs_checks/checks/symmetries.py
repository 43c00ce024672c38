"""C32: the exact symmetries of the loss, the mean over subsets of segments, and how little one sample can move an
entropy.
"""

from dataclasses import dataclass
from itertools import combinations
from math import log

import torch

from proofs_checks.numbers.routes import blocks, off_pairs
from proofs_checks.numbers.tolerance import at_most, close, loss_tolerance
from proofs_checks.objective import Codes, Logits, Objective
from proofs_checks.premises.strategies import codes, generator, logits, seeds, weights
from proofs_checks.register import check

# C32 ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shuffles:
    """Permutations of samples, segments and units, and one shift of logits per (sample, segment), from a seed."""

    seed: int

    def draw(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        n, s, k = z.shape
        g = generator(self.seed)
        units = torch.stack([torch.randperm(k, generator=g) for _ in range(s)])
        shift = 10 * torch.randn(n, s, 1, generator=g, dtype=torch.float64)
        return torch.randperm(n, generator=g), torch.randperm(s, generator=g), units, shift


@check(
    "C32",
    given={
        "logits": logits(kinds=("soft", "peaked", "tied", "mixed"), views=("near", "independent")),
        "lam": weights,
        "seed": seeds,
    },
    kills=(
        "diag_marginal_entropy",
        "off_same_view",
        "off_upper_only",
        "softmax_over_D",
        "temperature_ignored",
        "temperature_inverted",
        "joint_moving_average",
    ),
)
def the_loss_has_its_symmetries(objective: Objective, logits: Logits, lam: float, seed: int) -> None:
    """Invariant under: permuting samples; permuting segments in both views; permuting units inside a segment in both
    views; exchanging the views; shifting all logits of one (sample, segment); z -> c z with t -> c t; repeating the
    batch."""
    shape = (logits.n, logits.s, logits.k)
    z1, z2 = logits.z1.view(shape), logits.z2.view(shape)
    samples, segments, units, shift = Shuffles(seed).draw(z1)

    def loss(a: torch.Tensor, b: torch.Tensor, t: float = logits.t) -> torch.Tensor:
        return objective.logit_loss(a.reshape(len(a), -1), b.reshape(len(b), -1), logits.s, t, lam)

    value = loss(z1, z2)
    invariance = abs(float(loss(z1, z2) / lam)) + 4 * log(logits.k) / lam if lam > 1e-6 else 0.0
    magnitude = logits.magnitude + float(shift.abs().max()) / logits.t
    tolerance = 2 * loss_tolerance(2 * logits.n, *shape[1:], magnitude=magnitude, lam=lam, invariance=invariance)
    order = units.expand(logits.n, -1, -1)
    close(loss(z1[samples], z2[samples]), value, tolerance, "samples permuted")
    close(loss(z1[:, segments], z2[:, segments]), value, tolerance, "segments permuted")
    close(loss(z1.gather(2, order), z2.gather(2, order)), value, tolerance, "units permuted in both views")
    close(loss(z2, z1), value, tolerance, "views exchanged")
    close(loss(z1 + shift, z2 - shift), value, tolerance, "logits shifted")
    close(loss(3 * z1, 3 * z2, 3 * logits.t), value, tolerance, "logits and temperature scaled")
    close(loss(torch.cat([z1, z1]), torch.cat([z2, z2])), value, tolerance, "batch repeated")


@check(
    "C32",
    given={"codes": codes(k=(2, 5)), "seed": seeds},
    kills=("joint_moving_average", "off_symmetrised"),
)
def the_off_term_is_blind_to_units_of_one_view(objective: Objective, codes: Codes, seed: int) -> None:
    """Permuting the units of each segment in ONE view leaves L_off unchanged (it permutes the cells of every P_st)."""
    units = Shuffles(seed).draw(codes.q1)[2].expand(codes.n, -1, -1)
    before, after = (objective.code_terms(codes.q1, q)[1] for q in (codes.q2, codes.q2.gather(2, units)))
    close(after, before, loss_tolerance(codes.n, codes.s, codes.k), "off-diagonal term, one view relabelled")


@check(
    "C32",
    given={
        "codes": codes(s=(3, 5), k=(2, 4), kinds=("soft", "peaked", "tied", "mixed"), views=("same", "near")),
        "lam": weights,
    },
    kills=("ti_whole_vector", "ti_sum_segments", "joint_moving_average", "off_over_S2", "off_unmasked"),
    cost=3,
)
def the_loss_is_the_mean_over_subsets_of_segments(objective: Objective, codes: Codes, lam: float) -> None:
    """The loss on S segments is the mean of the losses on all subsets of S' >= 2 of them; so min L cannot fall as S
    grows.
    """
    whole = objective.code_loss(codes.q1, codes.q2, lam)
    surprise = float(-(codes.q1 * codes.q2).sum(-1).log().min())
    tolerance = 2 * loss_tolerance(codes.n, codes.s, codes.k, lam=lam, invariance=surprise)
    for size in range(2, codes.s):
        subsets = [list(chosen) for chosen in combinations(range(codes.s), size)]
        mean = sum(objective.code_loss(codes.q1[:, x], codes.q2[:, x], lam) for x in subsets) / len(subsets)
        close(mean, whole, tolerance, f"mean over subsets of {size}")


@check(
    "C32",
    given={"codes": codes(n=(2, 30)), "seed": seeds},
    kills=("joint_moving_average", "off_unmasked", "joint_samples_unpaired", "joint_view_rolled", "joint_over_Nm1"),
)
def one_sample_moves_an_entropy_by_little(objective: Objective, codes: Codes, seed: int) -> None:
    """Replace one sample of N: every H(P_st), and so L_off, moves by at most (1/N) log(K^2 - 1) + h(1/N), for 1/N <=
    1 - 1/K^2 (Audenaert's bound: the joints differ by at most 1/N in total variation)."""
    g = generator(seed)
    changed = [q.clone() for q in (codes.q1, codes.q2)]
    for q in changed:
        q[0] = torch.softmax(5 * torch.randn(q[0].shape, generator=g, dtype=torch.float64), -1)
    share = 1 / codes.n
    h = -share * log(share) - ((1 - share) * log(1 - share) if share < 1 else 0.0)
    move = abs(objective.code_terms(*changed)[1] - objective.code_terms(codes.q1, codes.q2)[1])
    at_most(move, share * log(codes.k**2 - 1) + h, 2 * loss_tolerance(codes.n, codes.s, codes.k), "move of L_off")
    joint = objective.joint(codes.q1, codes.q2)
    expected = blocks(codes)
    for s, t in off_pairs(codes.s):
        close(joint[s, t], expected[s, t], 1e-13, f"joint of segments {s} and {t}")
