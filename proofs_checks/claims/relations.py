"""C33 to C42: gradients and numerics, relations to other objectives, cost."""

from proofs_checks.register import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="C33",
        statement="The gradient has a closed form: a matrix product with log P + 1, then the softmax Jacobian.",
        latex=r"\tfrac{\partial L}{\partial z}=\tfrac1t\,q\circ(g-\langle q,g\rangle),\quad"
        r" g'=\tfrac1N\sum_tG_{st}q''_t-\tfrac{\lambda q''}{NS\langle q',q''\rangle}",
        source="project",
        premises="Positive codes.",
        verdict="proven",
        proof="phi' = log + 1. The + 1 is immaterial off the diagonal blocks (constants vanish in the Jacobian).",
    ),
    Claim(
        id="C34",
        statement="The loss is globally Lipschitz in the logits.",
        latex=r"\|\partial L/\partial z'_n\|_1\le\frac{1}{tN}\left(\log N+\tfrac32\log K+2+2\lambda\right)",
        source="project",
        premises="Any logits, S, K.",
        verdict="proven",
        proof="P >= q' q''/N bounds -log P by log N - log q' - log q''. The softmax Jacobian takes q (g - <q, g>), of "
        "norm at most 2 (1 - w) times the part of <q, g> above the mean, w the mass there: w (1 - w) <= 1/4 "
        "gives half of each logarithm per term.",
        where="A sample alone in its cells reaches 0.72 of it at N = 1000.",
    ),
    Claim(
        id="C35",
        statement="A guard inside the logarithm only raises the loss, the same guard in both places breaks the "
        "bound; the invariance term needs the log domain.",
        latex=r"0\le\sum P\log\max(P,\epsilon)-\sum\varphi(P)\le K^2\epsilon/e",
        source="project",
        premises="Signs: any codes. Finite values and gradients: float32, logits up to 1e4.",
        verdict="proven",
        proof="Monotone logarithm, p log(eps/p) <= eps/e; finiteness is checked on saturated logits.",
    ),
    Claim(
        id="C36",
        statement="On an orthogonal array the gap is a closed form of the logit margin and falls strictly for K >= 3.",
        latex=r"\mathrm{gap}=\tau\log\tau+(1-\tau)\log K-\lambda\log\tau,\quad"
        r" \tau=a^2+\tfrac{(1-a)^2}{K-1}\ \sim\ 2(K-1)\kappa e^{-M/t}",
        source="project",
        premises="Both views on the array, margin M. K = 2, lambda = 0: best at M = 1.6833 t.",
        verdict="proven",
        proof="P_st stays uniform; f' <= -kappa.",
    ),
    Claim(
        id="C37",
        statement="For hard codes the off-diagonal term is the denominator of a contrastive loss with a product "
        "kernel and all samples as negatives; for soft codes that loss bounds it from above.",
        latex=r"L_{\mathrm{off}}=\overline{\tfrac1N\sum_n\log\tfrac1N\sum_m k'_s(n,m)k''_t(n,m)}",
        source="project",
        premises="k = agreement indicator; soft: k = <q_n, q_m>.",
        verdict="proven",
        proof="A hard cell's probability is the share of samples that agree with n in both; Jensen within each sample.",
    ),
    Claim(
        id="C38",
        statement="The saturated optimum is a regular simplex, the global minimiser of InfoNCE on the sphere; the "
        "spectral contrastive loss is a distance to whitening.",
        latex=r"\langle f_n,f_m\rangle=N-1\ \text{or}\ -1,\qquad"
        r" -2\overline{\langle f',f''\rangle}+\overline{\langle f'_n,f'_m\rangle\langle f''_n,f''_m\rangle}"
        r"=\|C-I\|_F^2-S(K-1)",
        source="project",
        premises="N = 1 + S(K-1) (for instance Bush, S = K + 1); the identity: any codes.",
        verdict="proven",
        proof="(1/N) F F^T is a projector of rank S(K-1); Jensen for InfoNCE.",
    ),
    Claim(
        id="C39",
        statement="The off-diagonal term is pairwise InfoMax that rewards conditional entropy; the diagonal term is "
        "stricter than IIC.",
        latex=r"-H(P_{st})=-I(n;(i,j))-\mathbb E H(q'_n(s))-\mathbb E H(q''_n(t))",
        source="project",
        premises="Any codes; comparison with IIC: K >= 3 (at K = 2, lambda = 0 the minimisers are disjoint).",
        verdict="proven",
        proof="Chain rule, conditional independence given the sample.",
    ),
    Claim(
        id="C40",
        statement="Value and gradient can be computed tile by tile, without the D x D joint.",
        latex=r"G_{st}^{ij}\ \text{depends on}\ P_{st}^{ij}\ \text{alone}",
        source="project",
        premises="Any tile; memory O(ND + tile^2).",
        verdict="proven",
        proof="phi is elementwise, so no normaliser runs across tiles.",
    ),
    Claim(
        id="C41",
        statement="Symmetry does not halve the work: the symmetrised joint is another, smaller loss.",
        latex=r"L_{\mathrm{off}}(\tfrac12(P+P^\top))\le L_{\mathrm{off}}(P)",
        source="project",
        premises="Equality iff P = P^T, for instance equal views.",
        verdict="proven",
        proof="Concavity of the entropy.",
    ),
    Claim(
        id="C42",
        statement="Hard codes need only histograms. A collision version has a small dual, two N x N Grams summed over "
        "segments; Shannon's entropy has none: for soft codes it is no function of the Grams, for hard "
        "codes it needs those of every pair of segments.",
        latex=r"\sum_{s\ne t}\|P_{st}\|^2=\tfrac1{N^2}\sum_{nm}\Big[\sum_sk'_s\sum_tk''_t-\sum_sk'_sk''_s\Big](n,m)",
        source="project",
        premises="Hard codes for counting; any codes for the collision identity; K >= 3 and soft codes for the last "
        "part.",
        verdict="proven",
        proof="Expand the square. Two samples at 1/K +- a u give P = 1/K^2 + a^2 u u^T: turning u keeps all Grams and "
        "changes sum P^3, hence the entropy.",
        where="For hard codes the off-diagonal term IS a function of the per-segment Grams (C37), S(S-1) products of "
        "N x N matrices: more work than the histograms.",
    ),
)
