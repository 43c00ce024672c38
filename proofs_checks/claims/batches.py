"""C28 to C32: what a finite batch shows, and the symmetries of the loss."""

from proofs_checks.register import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="C28",
        statement="For independent uniform hard codes the expected entropy of a batch has a closed form; ideal codes "
        "do not read -3 log K in a batch.",
        latex=r"\mathbb E\hat H=\log N-\tfrac mN\sum_k \mathrm{Bin}(N,\tfrac1m)(k)\,k\log k",
        source="project",
        premises="Codes drawn independently and uniformly, m = K^2 cells (m = K on the diagonal).",
        verdict="proven",
        proof="Linearity of expectation over cells. First order: (m - 1)/(2N), valid for N well above m only.",
    ),
    Claim(
        id="C29",
        statement="Softness lowers the bias: the effective number of units is K E|q|^2.",
        latex=r"\mathbb E\,\mathrm{gap}\approx\frac{K^2c'c''-1}{2N},\qquad c=\mathbb E\|q\|^2",
        source="project",
        premises="Independent soft codes with uniform mean; first order in 1/N. The size is checked by simulation.",
        verdict="numerical only",
        proof="Second-order expansion of phi around the uniform cell gives the first order; its accuracy is measured.",
    ),
    Claim(
        id="C30",
        statement="The loss of a union of batches is at most the mean of their losses, so unshared joints "
        "overestimate.",
        latex=r"L(A\cup B)\le\tfrac12(L(A)+L(B))",
        source="project",
        premises="Equal sizes (weights otherwise). L_ti is linear and need not be shared.",
        verdict="proven",
        proof="Diagonal and off-diagonal term are convex in the joint, which is linear in the batch.",
    ),
    Claim(
        id="C31",
        statement="Small batches can reverse the gradient: they push codes softer where the full data push them "
        "harder.",
        latex=r"\frac{d}{dr}\mathbb E L_N>0>\frac{d}{dr}L_\infty",
        source="project",
        premises="Codes q = r e_c + (1-r)/K of fresh independent batches; K = 8, r = 0.9. Strictly r* < 1 at every N "
        "is proven as C10; the sign at a given N is simulated.",
        verdict="numerical only",
        proof="First order: the bias K^2 tau tau'/N enters with the opposite sign.",
    ),
    Claim(
        id="C32",
        statement="The loss has its symmetries: samples, segments, units (in both views), view exchange, logit "
        "shifts, joint scaling of logits and temperature, duplication; it is the mean over subsets of segments, and "
        "one sample moves an entropy by little.",
        latex=r"|\Delta H(P_{st})|\le\tfrac1N\log(K^2-1)+h(\tfrac1N)",
        source="project",
        premises="Any codes; last part 1/N <= 1 - 1/K^2 (Audenaert 2007).",
        verdict="proven",
        proof="Each term is a sum over what is permuted; ordered pairs are averaged alike by every subset size >= 2.",
    ),
)
