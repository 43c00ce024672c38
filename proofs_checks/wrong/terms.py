"""Wrong terms: the diagonal, the off-diagonal, the invariance, p log p, the weights, and the loss as a whole."""

import torch
from torch import Tensor

from proofs_checks.objective import Assembled, Objective

# the diagonal term --------------------------------------------------------------------------------


class DiagSign(Assembled):
    """Rewards a low-entropy diagonal."""

    def diagonal(self, joint: Tensor) -> Tensor:
        return -super().diagonal(joint)


class DiagNo1OverS(Assembled):
    """Sum over segments instead of mean."""

    def diagonal(self, joint: Tensor) -> Tensor:
        return super().diagonal(joint) * len(joint)


class DiagWholeBlock(Assembled):
    """The entropy of the whole block P_ss, not of its diagonal."""

    def diagonal(self, joint: Tensor) -> Tensor:
        return self.phi(torch.einsum("ssij->sij", joint)).sum() / len(joint)


class DiagMarginalEntropy(Assembled):
    """The entropy of the units' usage, blind to whether the views agree."""

    def diagonal(self, joint: Tensor) -> Tensor:
        return self.phi(torch.einsum("ssij->si", joint)).sum() / len(joint)


class DiagRenormalised(Assembled):
    """The diagonal scaled to mass one, so that lost agreement costs nothing."""

    def diagonal(self, joint: Tensor) -> Tensor:
        own = torch.einsum("ssii->si", joint)
        tiny = torch.finfo(own.dtype).tiny
        return self.phi(own / own.sum(1, keepdim=True).clamp_min(tiny)).sum() / len(joint)


# the off-diagonal term ----------------------------------------------------------------------------


class OffSign(Assembled):
    """Makes segments dependent."""

    def off_diagonal(self, joint: Tensor) -> Tensor:
        return -super().off_diagonal(joint)


class OffUnmasked(Assembled):
    """Counts the diagonal blocks among the others."""

    def off_blocks(self, segments: int) -> Tensor:
        return torch.ones(segments, segments, dtype=torch.bool)


class OffOverS2(Assembled):
    """Divides by S^2 instead of S(S-1)."""

    def off_diagonal(self, joint: Tensor) -> Tensor:
        segments = len(joint)
        return super().off_diagonal(joint) * (segments - 1) / segments


class OffUpperOnly(Assembled):
    """Only the pairs s < t."""

    def off_diagonal(self, joint: Tensor) -> Tensor:
        segments = len(joint)
        if segments == 1:
            return joint.sum() * 0
        upper = torch.ones(segments, segments, dtype=torch.bool).triu(1)
        return 2 * self.phi(joint[upper]).sum() / (segments * (segments - 1))


class OffSymmetrised(Assembled):
    """Of (P + P^T) / 2, a distribution of larger entropy."""

    def off_diagonal(self, joint: Tensor) -> Tensor:
        return super().off_diagonal((joint + joint.permute(1, 0, 3, 2)) / 2)


class OffSameView(Assembled):
    """Pairs the segments inside the first view instead of across the views."""

    def code_terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.diagonal(self.joint(q1, q2)), self.off_diagonal(self.joint(q1, q1)), self.invariance(q1, q2)


class OffProductOfMarginals(Assembled):
    """The entropy of the product of the marginals: balanced, but blind to dependence."""

    def off_diagonal(self, joint: Tensor) -> Tensor:
        product = joint.sum(3, keepdim=True) * joint.sum(2, keepdim=True)
        return super().off_diagonal(product)


class OffMiOnly(Assembled):
    """The mutual information alone: independent, but blind to balance."""

    def off_diagonal(self, joint: Tensor) -> Tensor:
        rows, columns = joint.sum(3, keepdim=True), joint.sum(2, keepdim=True)
        return super().off_diagonal(joint) - super().off_diagonal(rows * columns)


class OffCollision(Assembled):
    """log sum P^2: minus the collision (Renyi) entropy of order two."""

    def off_diagonal(self, joint: Tensor) -> Tensor:
        segments = len(joint)
        if segments == 1:
            return joint.sum() * 0
        return joint[self.off_blocks(segments)].square().sum((1, 2)).log().sum() / (segments * (segments - 1))


class OffGaussianCov(Assembled):
    """-2 log K + (K^2 / 2) |cross-covariance|_F^2: a second-moment penalty that touches the true one at its minimum."""

    def off_diagonal(self, joint: Tensor) -> Tensor:
        segments, units = len(joint), joint.shape[-1]
        if segments == 1:
            return joint.sum() * 0
        covariance = joint - joint.sum(3, keepdim=True) * joint.sum(2, keepdim=True)
        squares = covariance[self.off_blocks(segments)].square().sum((1, 2)).mean()
        return squares * units**2 / 2 - 2 * torch.log(squares.new_tensor(float(units)))


# p log p ------------------------------------------------------------------------------------------


class PhiLog2(Assembled):
    """Bits instead of nats."""

    def phi(self, p: Tensor) -> Tensor:
        return super().phi(p) / torch.log(p.new_tensor(2.0))


class PhiClampBoth(Assembled):
    """p clamped at 1e-3 in both places: empty cells count, and the bound breaks."""

    def phi(self, p: Tensor) -> Tensor:
        p = p.clamp_min(1e-3)
        return p * p.log()


class PhiClampFollowUp(Assembled):
    """p clamped at 1e-8 in both places, the size that public code uses: small cells lose their gradient."""

    def phi(self, p: Tensor) -> Tensor:
        p = p.clamp_min(1e-8)
        return p * p.log()


class PhiAddBoth(Assembled):
    """1e-4 added in both places."""

    def phi(self, p: Tensor) -> Tensor:
        return (p + 1e-4) * (p + 1e-4).log()


class PhiAddInLog(Assembled):
    """p log(p + 1e-6)."""

    def phi(self, p: Tensor) -> Tensor:
        return p * (p + 1e-6).log()


class PhiNoGuard(Assembled):
    """p log p as it stands: NaN at an empty cell."""

    def phi(self, p: Tensor) -> Tensor:
        return p * p.log()


class PhiXlogy(Assembled):
    """xlogy(p, p): the right value at an empty cell, and a NaN gradient."""

    def phi(self, p: Tensor) -> Tensor:
        return torch.xlogy(p, p)


class PhiQuadratic(Assembled):
    """p (p - 1): convex, zero at 0 and 1, and finite slope at an empty cell."""

    def phi(self, p: Tensor) -> Tensor:
        return p * (p - 1)


# the invariance term ------------------------------------------------------------------------------


class TiLinear(Assembled):
    """1 - <q1, q2> instead of its logarithm."""

    def mean_surprise(self, log_agreement: Tensor) -> Tensor:
        return (1 - log_agreement.exp()).mean()


class TiCrossEntropy(Assembled):
    """The cross-entropy of the second view's code under the first: not symmetric, and zero only for equal one-hot
    codes.
    """

    def invariance(self, q1: Tensor, q2: Tensor) -> Tensor:
        return -(q1 * q2.clamp_min(torch.finfo(q2.dtype).tiny).log()).sum(-1).mean()

    def logit_invariance(self, z1: Tensor, z2: Tensor, segments: int, temperature: float) -> Tensor:
        return -(self.codes(z1, segments, temperature) * self.log_codes(z2, segments, temperature)).sum(-1).mean()


class TiLogOfMean(Assembled):
    """-log of the batch's mean agreement: samples that disagree hide behind those that agree."""

    def mean_surprise(self, log_agreement: Tensor) -> Tensor:
        return -(
            torch.logsumexp(log_agreement, 0) - torch.log(log_agreement.new_tensor(float(len(log_agreement))))
        ).mean()


class TiSumSegments(Assembled):
    """Sum over segments instead of mean."""

    def mean_surprise(self, log_agreement: Tensor) -> Tensor:
        return -log_agreement.sum(1).mean()


class TiWholeVector(Assembled):
    """-log of the inner product of the whole vectors: one good segment excuses the others."""

    def mean_surprise(self, log_agreement: Tensor) -> Tensor:
        segments = log_agreement.new_tensor(float(log_agreement.shape[1]))
        return -(torch.logsumexp(log_agreement, 1) - segments.log()).mean()


class TiNotInLogDomain(Assembled):
    """The logarithm of an inner product of codes that have already underflowed."""

    def logit_invariance(self, z1: Tensor, z2: Tensor, segments: int, temperature: float) -> Tensor:
        return self.invariance(self.codes(z1, segments, temperature), self.codes(z2, segments, temperature))


# the whole ----------------------------------------------------------------------------------------


class LamIgnored(Assembled):
    """No invariance term, whatever its weight."""

    def code_loss(self, q1: Tensor, q2: Tensor, lam: float = 0.0) -> Tensor:
        return super().code_loss(q1, q2, 0.0)

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        return super().logit_loss(z1, z2, segments, temperature, 0.0)


class TiAlways(Assembled):
    """The invariance term at weight one, whatever its weight."""

    def code_loss(self, q1: Tensor, q2: Tensor, lam: float = 0.0) -> Tensor:
        return super().code_loss(q1, q2, 1.0)

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        return super().logit_loss(z1, z2, segments, temperature, 1.0)


class LossZero(Assembled):
    """Nothing at all."""

    def code_terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        zero = (q1.sum() + q2.sum()) * 0
        return zero, zero, zero

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        return (z1.sum() + z2.sum()) * 0


class LossConstant(LossZero):
    """Always at its bound."""

    def code_terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        zero = (q1.sum() + q2.sum()) * 0
        log_k = torch.log(zero.new_tensor(float(q1.shape[-1])))
        return zero - log_k, zero - 2 * log_k, zero

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        zero = (z1.sum() + z2.sum()) * 0
        return zero - 3 * torch.log(zero.new_tensor(z1.shape[1] / segments))


class NegativesAdded(Assembled):
    """Pushes every sample away from every other one, pair by pair."""

    def code_loss(self, q1: Tensor, q2: Tensor, lam: float = 0.0) -> Tensor:
        pairs = torch.einsum("nsi,msi->nm", q1, q2) / q1.shape[1]
        return super().code_loss(q1, q2, lam) + torch.logsumexp(pairs, 1).mean()

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        q1, q2 = self.codes(z1, segments, temperature), self.codes(z2, segments, temperature)
        pairs = torch.einsum("nsi,msi->nm", q1, q2) / segments
        return super().logit_loss(z1, z2, segments, temperature, lam) + torch.logsumexp(pairs, 1).mean()


MUTANTS: dict[str, type[Objective]] = {
    "diag_sign": DiagSign,
    "diag_no_1_over_S": DiagNo1OverS,
    "diag_whole_block": DiagWholeBlock,
    "diag_marginal_entropy": DiagMarginalEntropy,
    "diag_renormalised": DiagRenormalised,
    "off_sign": OffSign,
    "off_unmasked": OffUnmasked,
    "off_over_S2": OffOverS2,
    "off_upper_only": OffUpperOnly,
    "off_symmetrised": OffSymmetrised,
    "off_same_view": OffSameView,
    "off_product_of_marginals": OffProductOfMarginals,
    "off_mi_only": OffMiOnly,
    "off_collision": OffCollision,
    "off_gaussian_cov": OffGaussianCov,
    "phi_log2": PhiLog2,
    "phi_clamp_both": PhiClampBoth,
    "phi_clamp_follow_up": PhiClampFollowUp,
    "phi_add_both": PhiAddBoth,
    "phi_add_in_log": PhiAddInLog,
    "phi_no_guard": PhiNoGuard,
    "phi_xlogy": PhiXlogy,
    "phi_quadratic": PhiQuadratic,
    "ti_linear": TiLinear,
    "ti_cross_entropy": TiCrossEntropy,
    "ti_log_of_mean": TiLogOfMean,
    "ti_sum_segments": TiSumSegments,
    "ti_whole_vector": TiWholeVector,
    "ti_not_in_log_domain": TiNotInLogDomain,
    "lam_ignored": LamIgnored,
    "ti_always": TiAlways,
    "loss_zero": LossZero,
    "loss_constant": LossConstant,
    "negatives_added": NegativesAdded,
}
