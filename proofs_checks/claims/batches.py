"""C28 to C32, C45, C46: what a finite batch shows, and the symmetries of the loss."""

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
        proof="Linearity of expectation over cells. First order: (m - 1)/(2N), valid for N well above m only; below, "
        "it overstates (C45).",
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
        premises="Codes q = r e_c + (1-r)/K of fresh independent batches, two segments, lambda = 0; K = 8, r = 0.9: N "
        "= 16 and 32, not 64. Strictly r* < 1 at every N is proven as C10.",
        verdict="proven",
        proof="A cell's law is binomial on the diagonal, trinomial off it, so the expected slope is a finite sum: "
        "+2.351, +0.849, -0.367 at N = 16, 32, 64 against -1.99. First order: the bias K^2 tau tau'/N has the "
        "opposite sign.",
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
    Claim(
        id="C45",
        statement="The bias of a batch's entropy is known from both sides, and the first-order correction lies on "
        "neither.",
        latex=r"\max\left(0,H-\log N\right)\ \le\ H-\mathbb E\hat H\ \le\ \log\left(1+\tfrac{m-1}N\right)",
        source="project",
        premises="N independent draws of any law over m cells, H its entropy (uniform: H = log m), plug-in entropy.",
        verdict="proven",
        proof="H - E H^ = E KL(p^ || p) >= 0, and H^ <= log N. KL <= log(1 + chi^2), E chi^2 = (m-1)/N, Jensen.",
        where="Uniform law: for N well below m the bias is log(m/N), where (m-1)/(2N) overstates: exact over first "
        "order is 0.26 at N = 256 and 0.86 at N = 2048 for 6400 cells, 1.007 at N = 512 for 1024. It "
        "understates most, by 16 %, near N = 4m/3.",
    ),
    Claim(
        id="C46",
        statement="A batch of N samples certifies at most about log N nats: the plug-in reading never exceeds log N, "
        "and no lower confidence bound that holds for all laws exceeds 2 log N + log(1/(2 eps)) with "
        "probability above delta + eps.",
        latex=r"\Pr_{p^N}\left[B>\log M\right]\ \le\ \delta+\frac{N(N-1)}{2M}\quad\text{if }\Pr_{p^N}[B>H(p)]\le\delta"
        r"\ \forall p",
        source="project",
        premises="Hard codes for the reading; B any function of N independent draws. The same for mutual "
        "information, which is at most the entropy.",
        verdict="proven",
        proof="Draw M symbols from p and N samples from those M with replacement: the M-symbol law has entropy at "
        "most log M, so B exceeds log M with probability at most delta; unless an index repeats, probability at "
        "most N(N-1)/(2M), the samples are draws of p.",
        where="The form of McAllester and Stratos (PMLR 108:875, abstract read: no distribution-free high-confidence "
        "lower bound on mutual information is larger than O(log N)). It frames C9 (floor of hard codes), C22 (a "
        "batch cannot show more than log N of the guaranteed rate) and C28.",
    ),
)
