"""C20 to C27: what the off-diagonal term measures, and what it cannot see."""

from proofs_checks.register import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="C20",
        statement="The excess of the off-diagonal term is imbalance of both segments plus mutual information.",
        latex=r"L_{\mathrm{off}}+2\log K=\overline{(\log K-H(P_s))+(\log K-H(P_t))+I(P_{st})}",
        source="project",
        premises="Any codes; the mean is over ordered pairs s != t.",
        verdict="proven",
        proof="Chain rule. All three brackets are non-negative, so the excess is I exactly for uniform marginals.",
    ),
    Claim(
        id="C21",
        statement="Dependence of three segments is invisible: with c3 = c1 + c2 mod K the loss is at its bound, "
        "though c3 is a function of the others.",
        latex=r"L=-3\log K,\qquad \text{total correlation}=\log K\ \ ((S-2)\log K\ \text{at the Bush array } S=K+1)",
        source="project",
        premises="N = K^2, S = 3 (or the Bush array).",
        verdict="proven",
        proof="(a, b, a + b) is an orthogonal array of strength two (C7).",
        where="Refutes 'any form of dependency'.",
    ),
    Claim(
        id="C22",
        statement="At an optimum no codeword is shared by more than N/(1 + S(K-1)) samples, so the codewords carry "
        "at least log(1 + S(K-1)) nats.",
        latex=r"\max_x p(x)\le\frac1{1+S(K-1)}",
        source="project",
        premises="Pairwise independent, uniform, hard segments. Tight at the Bush array with S = K + 1.",
        verdict="proven",
        proof="f = sum_s (K 1[c_s = x_s] - 1) has mean 0, variance S(K-1) and the value S(K-1) at x; Cauchy-Schwarz "
        "for 1 + f on the atom x. (Binary case: Gavinsky and Pudlak 2015.)",
    ),
    Claim(
        id="C23",
        statement="The entropy terms depend on the codes through their second moments alone; for simplex-valued "
        "codes zero mutual information of P_st and zero cross-covariance are the same.",
        latex=r"\tfrac12\|C_{st}\|_1^2\le I(P_{st})\le\log(1+\chi^2),\qquad I=0\iff C_{st}=0",
        source="project",
        premises="Any codes. For hard codes uncorrelated indicators mean independence; for soft ones they do not.",
        verdict="proven",
        proof="P_st = E[q' q''^T]; Pinsker and log-concavity. A soft pair with y a function of x and zero covariance "
        "has the least off-diagonal term.",
        where="Refutes 'beyond linear correlation' as a property of the loss alone: it is one of the coding.",
    ),
    Claim(
        id="C24",
        statement="There are dependent, uncorrelated variables that scalar Barlow Twins and VICReg terms do not see "
        "and whose mutual information the off-diagonal term measures exactly.",
        latex=r"\operatorname{cov}(x,\pi(x))=0,\qquad L_{\mathrm{off}}+2\log K=I(x;y)",
        source="project",
        premises="x uniform on K levels, one-hot codes; a permutation of zero correlation exists for K = 4, 5, 7, 8, "
        "9.",
        verdict="proven",
        proof="C20 with uniform marginals.",
        where="On the same one-hot features Barlow Twins sees the dependence too: the comparison is one of codings.",
    ),
    Claim(
        id="C25",
        statement="For K >= 3 a MUSIC optimum is exact whitening of the contrast coordinates, so the Barlow Twins "
        "loss is zero there; near it the metric is chi-square.",
        latex=r"L=-3\log K\iff \tfrac1N\sum_n f'_n f''^{\top}_n=I,\qquad f_n=(\sqrt K\,U^\top q_n(s))_s",
        source="project",
        premises="K >= 3, codes on the simplex, U orthonormal with U^T 1 = 0.",
        verdict="proven",
        proof="The trace gives tau = 1, hence one-hot codes; off-diagonal blocks vanish iff P_st is uniform.",
        where="Fails at K = 2. Standardised, Barlow Twins accepts soft codes that MUSIC charges for.",
    ),
    Claim(
        id="C26",
        statement="Duplicates within a view that the other view does not share escape the off-diagonal term; what is "
        "charged is the disagreement of the views, by the diagonal term and, at lambda > 0, by the "
        "invariance term.",
        latex=r"c'_s=U,\ c''_s=V\ \forall s:\quad L_{\mathrm{off}}=-2\log K,"
        r"\ \mathrm{gap}=(1-\tfrac2K)\log K\ (\lambda=0),\ \infty\ (\lambda>0)",
        source="project",
        premises="U, V independent and uniform, hard codes. If a share rho of the samples agrees, the off-diagonal "
        "excess is the information that the views share, up to log K.",
        verdict="proven",
        proof="The off-diagonal term pairs segments across views only; hard views that disagree have agreement zero.",
    ),
    Claim(
        id="C27",
        statement="Perfect semantic codes with skewed classes have L = -3 H(p), and can be worse than the uniform "
        "collapse.",
        latex=r"L=-3H(p);\quad \text{worse iff } H(p)<\tfrac23(1+\tfrac1K)\log K\ (\lambda=0)",
        source="project",
        premises="Independent, invariant, one-hot attributes with the same marginal p.",
        verdict="proven",
        proof="Each term is an entropy of p or of p x p. A uniform class prior is built into the loss.",
    ),
)
