"""The paper's own words, taken literally: what the loss is made of, and what it does without.

Structural claims are checked on the loss that users call (`Objective.logit_loss` is `musiclib.MusicLoss`): gradients
reach both views alike, the views can be exchanged, nothing outlives a step, no sample is compared with another.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st
from scipy.special import log_softmax as scipy_log_softmax

import musiclib
from proofs_checks.numbers.tolerance import (
    at_least,
    at_most,
    close,
    gradient_tolerance,
    joint_tolerance,
    loss_tolerance,
)
from proofs_checks.objective import Codes, Logits, Objective, gradients
from proofs_checks.premises import strategies
from proofs_checks.register import check


def definition(z1: np.ndarray, z2: np.ndarray, segments: int, temperature: float, lam: float) -> tuple[float, float]:
    """(loss, invariance term) from the equations, one cell and one sample at a time, in Python floats."""
    n = len(z1)
    log_q = [scipy_log_softmax(z.reshape(n, segments, -1) / temperature, axis=-1).tolist() for z in (z1, z2)]
    q = [[[[math.exp(x) for x in code] for code in sample] for sample in view] for view in log_q]
    units = range(len(q[0][0][0]))
    diagonal = off_diagonal = invariance = 0.0
    for s in range(segments):
        for t in range(segments):
            for i in units:
                for j in units:
                    if s != t or i == j:
                        p = math.fsum(q[0][m][s][i] * q[1][m][t][j] for m in range(n)) / n
                        value = p * math.log(p) if p > 0 else 0.0
                        if s == t:
                            diagonal += value
                        else:
                            off_diagonal += value
        for m in range(n):
            logs = [a + b for a, b in zip(log_q[0][m][s], log_q[1][m][s], strict=True)]
            most = max(logs)
            invariance -= most + math.log(math.fsum(math.exp(x - most) for x in logs))
    invariance /= n * segments
    loss = diagonal / segments + (off_diagonal / (segments * (segments - 1)) if segments > 1 else 0.0)
    return loss + (lam * invariance if lam else 0.0), invariance


@check(
    "W16",
    given={"logits": strategies.logits(k=(2, 4), s=(1, 3), n=(1, 6)), "lam": strategies.weights},
    kills=(
        "diag_sign",
        "diag_no_1_over_S",
        "diag_whole_block",
        "off_sign",
        "off_unmasked",
        "off_over_S2",
        "off_upper_only",
        "off_symmetrised",
        "off_same_view",
        "joint_over_Nm1",
        "joint_of_halves",
        "phi_add_in_log",
        "ti_sum_segments",
        "ti_whole_vector",
        "ti_log_of_mean",
        "segments_units_swapped",
    ),
    cost=2,
)
def the_loss_is_what_its_equations_say(objective: Objective, logits: Logits, lam: float) -> None:
    """L = (1/S) sum_s sum_i phi(P_ss(i,i)) + (1/(S(S-1))) sum_{s != t} sum_ij phi(P_st(i,j)) - (lambda/(NS)) sum log
    <q', q''>, phi(p) = p log p, P the empirical joint of the two views' codes.

    Premises: any finite logits. Two routes: the implementation; the same sums cell by cell with math.fsum, codes from
    scipy. At lambda = 0 the loss is a function of the empirical joint alone, as the excerpt says of it.
    """
    want, invariance = definition(logits.z1.numpy(), logits.z2.numpy(), logits.s, logits.t, lam)
    got = objective.logit_loss(logits.z1, logits.z2, logits.s, logits.t, lam)
    tolerance = loss_tolerance(logits.n, logits.s, logits.k, magnitude=logits.magnitude, lam=lam, invariance=invariance)
    close(got, want, tolerance, "loss")


@check(
    "W11",
    given={"codes": strategies.hard_codes(n=(1, 12), s=(1, 3))},
    kills=("joint_over_Nm1", "joint_view_rolled", "joint_samples_unpaired", "views_transposed"),
)
def the_joint_of_a_batch_is_counted(objective: Objective, codes: Codes) -> None:
    """P[s, t, i, j] is the share of samples with unit i of segment s on in the first view and unit j of segment t in
    the second: a distribution per block, whose marginals are the units' usage.

    Premises: one-hot codes, so that the share is a count (a fraction here). Soft codes: next check.
    """
    joint = objective.joint(codes.q1, codes.q2)
    first, second = codes.q1.argmax(-1).tolist(), codes.q2.argmax(-1).tolist()
    want = np.zeros(tuple(joint.shape))
    for s, t, i, j in np.ndindex(*want.shape):
        count = sum(a[s] == i and b[t] == j for a, b in zip(first, second, strict=True))
        want[s, t, i, j] = float(Fraction(count, codes.n))
    close(joint, want, joint_tolerance(codes.n), "joint")
    close(joint.sum((2, 3)), 1.0, codes.k**2 * joint_tolerance(codes.n), "mass of a block")


@check(
    "W11",
    given={"codes": strategies.codes(n=(2, 6), s=(1, 3), k=(2, 4)), "size": st.integers(1, 6)},
    kills=("joint_over_Nm1", "joint_view_rolled", "joint_samples_unpaired", "joint_moving_average"),
)
def the_joint_of_a_batch_is_unbiased(objective: Objective, codes: Codes, size: int) -> None:
    """The mean of the joint over ALL batches of m out of N samples is the joint of the N samples: the probabilities can
    be estimated from a batch without bias.

    Premises: samples drawn without replacement, 1 <= m <= N; any codes. Why: P is a mean over samples. Entropies of P
    are no means: they are biased (C28, C30).
    """
    m = min(size, codes.n)
    joints = [
        objective.joint(codes.q1[list(batch)], codes.q2[list(batch)])
        for batch in itertools.combinations(range(codes.n), m)
    ]
    want = np.zeros((codes.s, codes.s, codes.k, codes.k))
    for n in range(codes.n):
        want += np.multiply.outer(codes.q1[n].numpy(), codes.q2[n].numpy()).transpose(0, 2, 1, 3) / codes.n
    close(torch.stack(joints).mean(0), want, 40 * joint_tolerance(codes.n), "mean joint of all batches")


@check(
    "W13",
    given={"logits": strategies.logits(k=(2, 6), s=(1, 4))},
    kills=(
        "softmax_over_D",
        "temperature_ignored",
        "temperature_inverted",
        "segments_units_swapped",
    ),
)
def codes_are_distributions_over_the_units_of_a_segment(objective: Objective, logits: Logits) -> None:
    """q is a softmax over the K units of each segment: non-negative, sums to one per segment, e^{z/t} up to a factor;
    no entry exceeds 1 / (1 + (K-1) e^{-2M}) for logits in [-M t, M t]: one-hot only in the limit.

    Premises: finite logits. Two routes: the implementation, scipy segment by segment.
    """
    q = objective.codes(logits.z1, logits.s, logits.t)
    assert q.shape == (logits.n, logits.s, logits.k), f"codes have shape {tuple(q.shape)}"
    tolerance = 1e-15 * (logits.k + 4 + logits.magnitude) * 4
    for s in range(logits.s):
        columns = logits.z1[:, s * logits.k : (s + 1) * logits.k].numpy() / logits.t
        close(q[:, s], np.exp(scipy_log_softmax(columns, axis=-1)), tolerance, f"codes of segment {s}")
    at_least(q, 0.0, 0.0, "codes")
    close(q.sum(-1), 1.0, tolerance, "mass of a code")
    at_most(q, 1 / (1 + (logits.k - 1) * math.exp(-2 * logits.magnitude)), tolerance, "largest entry")


@check(
    "W7",
    given={"codes": strategies.codes(n=(1, 6)), "copies": st.integers(2, 4), "lam": strategies.weights},
    kills=("negatives_added", "joint_over_Nm1", "views_transposed"),
)
def no_sample_is_compared_with_another(objective: Objective, codes: Codes, copies: int, lam: float) -> None:
    """The loss is a function of batch means (of q' q''^T and of log <q', q''>): repeating a batch changes nothing, and
    one sample alone has a loss. There are no pairs of samples, so no negatives that a larger batch or a memory would
    add.

    Premises: any codes. Why: means do not change under repetition; a sum over pairs of different samples would. (What
    the means do statistically is another matter: for hard codes L_off is a contrastive denominator, C37.)
    """
    loss = objective.code_loss(codes.q1, codes.q2, lam)
    repeated = objective.code_loss(codes.q1.repeat(copies, 1, 1), codes.q2.repeat(copies, 1, 1), lam)
    value = float(objective.code_terms(codes.q1, codes.q2)[2])
    surprise = value if math.isfinite(value) else 0.0
    tolerance = 2 * loss_tolerance(copies * codes.n, codes.s, codes.k, lam=lam, invariance=surprise)
    close(repeated, loss, tolerance, "loss of the repeated batch")
    # N = 1: the joint is the outer product of the two codes
    one = objective.joint(codes.q1[:1], codes.q2[:1])
    want = np.einsum("si,tj->stij", codes.q1[0].numpy(), codes.q2[0].numpy())
    close(one, want, joint_tolerance(1), "joint of one sample")


@check(
    "W8",
    given={"logits": strategies.logits(kinds=strategies.SOFT), "lam": strategies.weights},
    kills=(
        "stop_gradient",
        "view_sharpened",
        "off_upper_only",
        "off_same_view",
        "ti_cross_entropy",
        "diag_marginal_entropy",
    ),
)
def the_views_can_be_exchanged(objective: Objective, logits: Logits, lam: float) -> None:
    """L(z', z'') = L(z'', z'), and the gradients change places: no view is a teacher, none a student.

    Premises: any logits. Why: exchanging the views transposes P as a whole, P_st <-> P_ts^T, and the sum is over all
    ordered pairs s != t.
    """
    one = gradients(objective, logits.z1, logits.z2, logits.s, logits.t, lam)
    two = gradients(objective, logits.z2, logits.z1, logits.s, logits.t, lam)
    sizes = logits.n, logits.s, logits.k
    close(one[0], two[0], loss_tolerance(*sizes, magnitude=logits.magnitude, lam=lam, invariance=10.0), "loss")
    tolerance = gradient_tolerance(*sizes, magnitude=logits.magnitude, temperature=logits.t, lam=lam)
    close(one[1], two[2], tolerance, "gradient of the first view, after the exchange")
    close(one[2], two[1], tolerance, "gradient of the second view, after the exchange")


@check(
    "W8",
    "W9",
    given={"logits": strategies.logits(kinds=("soft", "peaked"), views=("same",), n=(2, 8)), "lam": strategies.weights},
    kills=("stop_gradient", "view_sharpened", "off_same_view", "ti_cross_entropy", "off_upper_only", "loss_zero"),
)
def equal_views_receive_equal_gradients(objective: Objective, logits: Logits, lam: float) -> None:
    """At z' = z'' the two gradients are equal, and not zero: the gradient is stopped in neither branch.

    Premises: equal views, sample-dependent codes (at a stationary point nothing could be told). Why: view exchange.
    """
    _, one, two = gradients(objective, logits.z1, logits.z2, logits.s, logits.t, lam)
    tolerance = gradient_tolerance(
        logits.n, logits.s, logits.k, magnitude=logits.magnitude, temperature=logits.t, lam=lam
    )
    close(one, two, tolerance, "gradients of the two views")
    assert float(one.abs().max()) > 0, "no gradient at all"


@check(
    "W10",
    given={
        "first": strategies.logits(s=(2, 2), k=(3, 3), n=(4, 4), temperatures=(1.0,)),
        "second": strategies.logits(s=(2, 2), k=(3, 3), n=(4, 4), temperatures=(1.0,), kinds=("soft",)),
    },
    kills=("joint_moving_average",),
)
def no_state_outlives_a_step(objective: Objective, first: Logits, second: Logits) -> None:
    """Asked about batch A, then B, then A again, the loss gives the same value and gradients for A, bit for bit; and
    the module that users call has no parameters, no buffers, nothing to save.

    Premises: one process, one thread count. Why: there is no momentum copy, queue or running average to remember.
    """
    before = gradients(objective, first.z1, first.z2, 2)
    between = gradients(objective, second.z1, second.z2, 2)
    after = gradients(objective, first.z1, first.z2, 2)
    assert len(between) == 3
    for x, y, name in zip(before, after, ("loss", "gradient of view 1", "gradient of view 2"), strict=True):
        assert torch.equal(x, y), f"{name} changed after another batch was seen"
    module = musiclib.MusicLoss(segments=2)
    assert not list(module.parameters())
    assert not list(module.buffers())
    assert not module.state_dict()


@check(
    "W15",
    given={"unit": st.integers(0, 5), "size": st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(2, 6))},
    kills=("ti_linear", "ti_cross_entropy", "ti_sum_segments", "loss_constant", "loss_zero", "phi_clamp_both"),
    examples=({"unit": 0, "size": (4, 2, 3)},),
)
def similarity_alone_is_content_with_a_constant(objective: Objective, unit: int, size: tuple[int, int, int]) -> None:
    """The invariance term alone is at its minimum, zero, for a code that is the same one-hot vector for every sample;
    the entropy terms are at their maximum there, zero as well, and 3 log K above the bound.

    Premises: S >= 2 for the bound of L_off. Why: <q', q''> = 1; every P is one cell.
    """
    n, s, k = size
    q = strategies.one_hot(np.full((n, s), unit % k), k)
    for term, name in zip(objective.code_terms(q, q), ("diagonal", "off_diagonal", "invariance"), strict=True):
        close(term, 0.0, loss_tolerance(n, s, k), name)
    softer = strategies.smooth(q, 0.2)
    agreement = (1 - 0.2 + 0.2 / k) ** 2 + (k - 1) * (0.2 / k) ** 2
    close(objective.code_terms(softer, softer)[2], -math.log(agreement), loss_tolerance(n, s, k, lam=1.0), "invariance")


@check(
    "W14",
    given={"k": st.integers(2, 7), "segments": st.integers(2, 4), "skew": st.integers(2, 5)},
    kills=("off_product_of_marginals", "off_mi_only", "off_gaussian_cov", "off_collision", "loss_zero"),
)
def entropy_is_not_the_opposite_of_information(objective: Objective, k: int, segments: int, skew: int) -> None:
    """-L_off, the joint entropy of two segments, is H + H - I: it can rise with the mutual information, and stay low
    without any.

    Premises: hard, equal views. Constant codes: entropy 0, information 0. Identical balanced segments: both log K. Two
    independent segments with units in the ratio `skew` to 1: information 0, entropy 2 H(1/(1+skew)) below 2 log K.
    Why: chain rule; the two aims coincide only at fixed usage of the units.
    """
    constant = strategies.one_hot(np.zeros((k, segments), int), k)
    identical = strategies.one_hot(np.repeat(np.arange(k)[:, None], segments, axis=1), k)
    tolerance = loss_tolerance(k, segments, k)
    close(-objective.code_terms(constant, constant)[1], 0.0, tolerance, "entropy of constant codes")
    close(-objective.code_terms(identical, identical)[1], math.log(k), tolerance, "entropy of identical segments")
    column = np.array([0] * skew + [1])
    pairs = np.array([(a, b) for a in column for b in column])
    skewed = strategies.one_hot(pairs, k)
    share = 1 / (1 + skew)
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    close(-objective.code_terms(skewed, skewed)[1], 2 * entropy, loss_tolerance(len(pairs), 2, k), "entropy, skewed")
