"""C52 to C56: why segments repeat each other, and what would part them: the start, a second attribute, third order."""

from proofs_checks.register import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="C52",
        statement="At the start all segments grow the same input mode at the same rate: with logits linear in "
        "features the Hessian at zero weights is one and the same block for every segment, and no block "
        "couples two of them.",
        latex=r"\nabla^2L(0)[V]_s=-\frac{2\log K-1+\lambda K}{St^2K^2}\,(I-\tfrac1K\mathbf 1\mathbf 1^\top)\,V_s\,"
        r"(\Sigma+\Sigma^\top),\qquad \Sigma=\tfrac1N\sum_nx'_nx''^{\top}_n",
        source="project",
        premises="z_n(s) = W_s x_n with features x', x'' of mean zero over the batch in each view; N, K, S >= 2, any "
        "lambda and temperature.",
        verdict="proven",
        proof="C15 on directions z = W x, which are sample-dependent and of mean zero: the second order of L is -(2 "
        "log K - 1 + lambda K)/(N S t^2 K^2) sum <z', z''> over centred logits. Gradient flow therefore grows "
        "every eigenvector of Sigma + Sigma^T at its eigenvalue times that factor, whatever the segment: first "
        "the mode that varies most and survives the views best. The gradient at W = 0 vanishes.",
        where="Features with a mean add the shift terms of C15, still the same in every segment. What is shared by "
        "all segments is the rate; their weights at the start are their own, so they part in sign and in units, "
        "not in mode.",
        rests_on=("C15",),
    ),
    Claim(
        id="C53",
        statement="The off-diagonal term is at its minimum at the uniform code and notices what segments share only "
        "to fourth order, where the pull of the other terms is of second order.",
        latex=r"q=\tfrac1K+\epsilon\delta:\quad L_{\mathrm{off}}+2\log K=\tfrac{K^2}2\epsilon^4\overline{\|C_{st}\|^2}+"
        r"O(\epsilon^6),\qquad L_{\mathrm{diag}}+\lambda L_{\mathrm{ti}}=\mathrm{const}-(2\log K-1+\lambda K)\epsilon^2"
        r"\overline{\operatorname{tr}C_{ss}}+O(\epsilon^4)",
        source="project",
        premises="delta of mean zero over the batch in each view and over the units of each code; C_st = mean of "
        "delta'_n(s) delta''_n(t)^T; S >= 2.",
        verdict="proven",
        proof="P_st = 1/K^2 + eps^2 C_st exactly, and the entries of C_st sum to zero along rows and columns; expand "
        "phi.",
        where="Two segments on one mode of amplitude a, directions u_s, u_t, pay (K^2/2) eps^4 (mean a^2)^2 |u_s|^2 "
        "|u_t|^2; on uncorrelated modes nothing. By the time that this is felt, the mode has grown in all of "
        "them (C52).",
        rests_on=("C19",),
    ),
    Claim(
        id="C54",
        statement="The invariance term puts a price on a second attribute that survives the views less often, and "
        "above a known weight it is cheaper that all segments take the first.",
        latex=r"c^*=\frac{2I_a+D_a-D_b}{(a-b)\log(A/B)},\quad D_\rho=\tau_\rho\log\tfrac{\tau_\rho}K,\quad"
        r" I_\rho=\log K+\tau_\rho\log\tau_\rho+(1-\tau_\rho)\log\tfrac{1-\tau_\rho}{K-1}",
        source="project",
        premises="Two independent attributes, uniform over K values. The observed value of the first is the same in "
        "both views with probability a, of the second with b < a, and otherwise any other value, equally "
        "likely. A segment puts weight p > 1/K on the unit of the observed value and the rest evenly: "
        "agreement A = p^2 + (1-p)^2/(K-1) or B = 2p(1-p)/(K-1) + (K-2)(1-p)^2/(K-1)^2; tau_rho = rho A + (1 "
        "- rho) B. Population, S >= 2.",
        verdict="proven",
        proof="All on the first: L = D_a + c T_a + I_a - 2 log K, T_rho = -rho log A - (1 - rho) log B. One of S on "
        "the second changes L by (D_b - D_a + c (T_b - T_a) - 2 I_a)/S, since 2(S-1) of its S(S-1) blocks "
        "become uniform.",
        where="K = 8, a = 1, p = 0.95: c* = 2.73, 1.19, 0.64 at b = 0.75, 0.5, 0.25. c* falls to 0 as codes sharpen, "
        "like 1/log(1/(1-p)): hard codes admit no second attribute at any c > 0. It can be negative: a second "
        "attribute that says nothing is not worth its diagonal term. Codes that choose their sharpness, and "
        "encoders, are not covered.",
        rests_on=("C13",),
    ),
    Claim(
        id="C55",
        statement="Identical segments are not the minimum at lambda = 1: one of them turned uniform is cheaper below "
        "lambda = 1 + 2/K.",
        latex=r"\Delta L=\frac{\log K}S\left(\lambda-1-\tfrac2K\right)",
        source="project",
        premises="S >= 2 identical, balanced, hard, invariant segments, K >= 2.",
        verdict="proven",
        proof="The uniform segment loses (1 - 2/K) log K of diagonal and lambda log K of invariance, over S; 2(S-1) "
        "of S(S-1) blocks fall from -log K to -2 log K.",
        where="So training that ends with identical segments at lambda = 1 is stopped by the landscape (C16, C52, "
        "C53) or by what the views leave (C54), not by the value of the loss.",
        rests_on=("C13",),
    ),
    Claim(
        id="C56",
        statement="A term of third order closes the modular triple and leaves the modular quadruple: entropies of t "
        "segments see exactly the dependence among t.",
        latex=r"-\overline{H(P_{stu})}\ge-3\log K,\ =\iff\text{strength three};\quad c_3=c_1+c_2:\ -2\log K;\quad"
        r" c_4=c_1+c_2+c_3:\ -3\log K",
        source="project",
        premises="Hard invariant codes; P_stu the joint of s and t in one view and u in the other. Exact arrays: N = "
        "K^2 for the triple, K^3 for the quadruple.",
        verdict="proven",
        proof="An entropy of K^3 cells is at most 3 log K, with equality iff uniform. Of (a, b, a+b) K^2 cells are "
        "used, of (a, b, c, a+b+c) any three columns are independent and the fourth is their function: total "
        "correlation log K both times.",
        where="HOME (arXiv 2207.07743) does it with mixed moments: for the triple the third-order mixed moments of "
        "the contrast coordinates have squared norm K - 1, the pairwise ones vanish. Work and cells grow by S K "
        "per order, and a batch reads at most log N of 3 log K (C46).",
        rests_on=("C21",),
    ),
)
