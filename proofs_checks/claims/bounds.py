"""C1 to C19, C43, C44, C51: bounds, who attains them, and the landscape."""

from proofs_checks.register import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="C1",
        statement="L >= -3 log K, with equality exactly for one-hot, view-invariant codes with every P_st uniform.",
        latex=r"L \ge -3\log K",
        source="project",
        premises="S >= 2 (S = 1: -log K), kappa >= 0, any codes on the closed simplex. Finite logits never attain it; "
        "they approach it exactly where the batch admits an orthogonal array (C7), elsewhere the infimum is "
        "higher (C51).",
        verdict="proven",
        proof="-H(P_st) >= -2 log K. Jensen: sum_i phi(P_ss(i,i)) >= tau log(tau/K), L_ti >= -log tau. From tau log "
        "tau >= -(1-tau) and -log tau >= 1-tau, the sum is at least -log K + kappa (1-tau). Equality forces tau = 1, "
        "and <q', q''> = 1 forces equal one-hot codes.",
        where="kappa >= 0 is needed: at K = 2, lambda = 0 the bound fails (C2).",
    ),
    Claim(
        id="C2",
        statement="At K = 2, lambda = 0 the minimum is -2/e - 2 log 2, below -3 log 2, at codes that are soft or not "
        "invariant; and the uniform collapse ties with the perfect code.",
        latex=r"\min L = -\tfrac2e-2\log2 = -2.1221 < -2.0794 = -3\log 2",
        source="project",
        premises="K = 2, lambda = 0, P_st uniform and P_ss(i,i) = 1/e.",
        verdict="proven",
        proof="tau log(tau/2) is least at tau = 2/e < 1; a^2 + (1-a)^2 = 2/e has the solution a = (1 + sqrt(4/e - "
        "1))/2.",
        where="Refutes 'transform-invariant' and 'discriminative' at K = 2 without the invariance term.",
    ),
    Claim(
        id="C3",
        statement="At K = 2 the weight lambda* = 1 - log 2 separates: from there on -3 log 2 at one-hot invariant "
        "codes, below it a minimum at agreement tau* < 1.",
        latex=r"\tau^*=\lambda/W_0(e\lambda/2),\quad"
        r" \min L=\tau^*\log\tfrac{\tau^*}2-\lambda\log\tau^*-2\log2\ (\lambda<1-\log 2)",
        source="project",
        premises="K = 2, S >= 2.",
        verdict="proven",
        proof="f(tau) = tau log(tau/2) - lambda log tau has f' = 0 iff tau (1 + log(tau/2)) = lambda; the left side "
        "increases on (2/e^2, 1] up to 1 - log 2.",
    ),
    Claim(
        id="C4",
        statement="An agreement of two views is penalised exactly if its unit holds the agreement of more than "
        "e^(lambda-1) of all the samples (for one-hot codes); lambda = 1 is the least weight that never penalises "
        "agreement.",
        latex=r"\frac{\partial\, S(L_{\mathrm{diag}}+\lambda L_{\mathrm{ti}})}{\partial(q'_n(i)q''_n(i))}"
        r"=\frac{\log P_{ss}^{ii}+1}{N}-\frac{\lambda}{N\langle q'_n,q''_n\rangle}",
        source="project",
        premises="Any K; positive codes for the derivative.",
        verdict="proven",
        proof="Chain rule; <q', q''> <= 1. P_ss(i,i) is a share of all samples, not of those that agree.",
    ),
    Claim(
        id="C5",
        statement="A small gap forces all four properties, with constants.",
        latex=r"\mathrm{gap}\ \ge\ \kappa(1-\bar\tau)+\overline{\mathrm{KL}(P_{st}\|\mathrm{uniform})}",
        source="project",
        premises="kappa >= 0 (> 0 for the conclusions on codes; at kappa = 0: C43); per-segment information: K >= 3.",
        verdict="proven",
        proof="C1's inequality, <q', q''> <= max q', |q'-q''|^2 <= 2(1 - <q', q''>), Pinsker, Fano.",
        where="At K = 3, lambda = 0, kappa = 0.0986: disagreement costs next to nothing (C14), and the second order "
        "of C43 is most of it.",
    ),
    Claim(
        id="C6",
        statement="If K does not divide N, invariance need not be optimal: at K = 3, N = 4 an invariant and a "
        "mismatched hard code tie on the diagonal term, and an undecided sample is better than both.",
        latex=r"\varphi(\tfrac12)=\varphi(\tfrac14)",
        source="project",
        premises="K = 3, N = 4, lambda = 0, diagonal term.",
        verdict="proven",
        proof="Count the diagonal cells; the tie is an identity of logarithms of 2.",
    ),
    Claim(
        id="C7",
        statement="For hard invariant codes L = -3 log K if, and only if, the labels form an orthogonal array of "
        "strength two; Bush, product, modular and Plackett-Burman arrays attain it.",
        latex=r"L=-3\log K \iff (c_n(s))\ \text{is an } \mathrm{OA}(N,S,K,2)",
        source="project",
        premises="kappa >= 0 (then there are no other candidates, C1).",
        verdict="proven",
        proof="P_st uniform means that every pair of units occurs N/K^2 times.",
    ),
    Claim(
        id="C8",
        statement="Attaining the bound needs K^2 | N and N >= 1 + S(K-1), and short batches miss it by a known amount.",
        latex=r"K^2\mid N,\qquad N\ge 1+S(K-1)",
        source="project",
        premises="Hard invariant codes. Necessary only: K = 6, N = 36, S = 4 is impossible (Tarry 1901, cited).",
        verdict="proven",
        proof="Counts are integers. The contrasts of C25 form S(K-1) orthonormal columns, orthogonal to constants "
        "(Rao); a rank bound and Pinsker make both quantitative.",
    ),
    Claim(
        id="C9",
        statement="Hard codes on N samples have L >= -log K - log min(N, K^2), attained by partial Bush arrays.",
        latex=r"L\ge-\log K-\log\min(N,K^2);\quad S\le \frac{K(N-1)}{N-K}\ \text{if attained with } K<N<K^2",
        source="project",
        premises="One-hot codes, K >= 3, any lambda >= 0; equality: K | N, two samples share at most one segment.",
        verdict="proven",
        proof="At most N cells are filled. Counting agreeing pairs of samples limits S.",
    ),
    Claim(
        id="C10",
        statement="If N < K^2 no minimiser is one-hot.",
        latex=r"N<K^2:\quad \lim_{\varepsilon\to0}\frac{L((1-\varepsilon)q+\varepsilon/K)-L(q)}{\varepsilon}=-\infty",
        source="project",
        premises="S >= 2, any lambda >= 0; codes on the closed simplex.",
        verdict="proven",
        proof="Hard codes leave cells of P_st empty. Along the smoothing an empty cell gains c e and contributes c e "
        "log(c e); all other terms change by O(e).",
        where="Applies at both published sizes (2048 < 80^2, 512 < 32^2). How soft the minimisers are is numerical. "
        "With one segment there is no empty cell to fill: balanced one-hot codes are minimisers at every N that "
        "K divides.",
    ),
    Claim(
        id="C11",
        statement="Tiny batches prefer the uniform collapse to every hard code.",
        latex=r"N<K^{1+2/K}\ (\lambda=0),\qquad N<K^{1/2+1/K}\ (\lambda=1);\qquad \text{tie at } K=4,N=8:\ -5\log2",
        source="project",
        premises="Hard codes; lambda = 0 or 1.",
        verdict="proven",
        proof="Compare -(2 + 2/K - lambda) log K with the floors -log min(N,K) - log min(N,K^2).",
    ),
    Claim(
        id="C12",
        statement="Codes that ignore the sample stay (1 - 2/K) log K above the bound.",
        latex=r"q_n\equiv q:\quad L\ge-\left(2+\tfrac2K\right)\log K",
        source="project",
        premises="Any lambda >= 0, the views may differ; at lambda = 0 equality exactly for uniform codes.",
        verdict="proven",
        proof="L splits into sum_i a log a + b log b + ab log ab, jointly convex on (0,1]^2 (Hessian determinant >= "
        "((1+g)/g)^2 - (2 log g + 2)^2 >= 0 at g = sqrt(ab)) and symmetric in the units.",
        where="The margin is zero at K = 2, lambda = 0.",
    ),
    Claim(
        id="C13",
        statement="Every kind of collapse has a closed-form price. Of the global ones the uniform code is the "
        "cheapest below lambda = 2/K, identical segments from there on; the dearest is the constant one-hot "
        "code up to lambda = 2 + 2/K, the uniform code beyond.",
        latex=r"\text{uniform: }(1-\tfrac2K+\lambda)\log K,\quad \text{identical: }\log K,\quad"
        r" \text{constant: }3\log K,\ \dots",
        source="project",
        premises="The rest of the code is an orthogonal array, K >= 3. Compared: uniform, identical, constant "
        "one-hot, and at lambda = 0 segments of one view deranged (infinite at lambda > 0).",
        verdict="proven",
        proof="Count the cells of every block; the gaps are (1 - 2/K + lambda), 1 and 3 times log K.",
        where="The off-diagonal term is blind to the uniform collapse and to relabelled units. At lambda = 1 "
        "identical segments are the cheapest for every K >= 3.",
    ),
    Claim(
        id="C14",
        statement="Bad solutions lie within any distance of the bound: duplicated pairs, shuffled codewords, and at "
        "K = 3 disagreement.",
        latex=r"\text{one duplicated pair: } \frac{2\log K}{S(S-1)}",
        source="project",
        premises="An orthogonal array for the other segments.",
        verdict="proven",
        proof="Two of S(S-1) blocks have mutual information log K; the loss is invariant under permuting samples.",
    ),
    Claim(
        id="C15",
        statement="The uniform collapse is a strict saddle, with five Hessian eigenvalues in closed form.",
        latex=r"\mp(2\log K-1+\lambda K),\ 3-2\log K+(1-\lambda)K,\ 2\log K-1+(1+\lambda)K,\ 0"
        r"\quad\text{in units of } \tfrac1{NSt^2K^2}",
        source="project",
        premises="N >= 2, K >= 2, S >= 2, any lambda >= 0; Hessian in the logits.",
        verdict="proven",
        proof="Expand at q = 1/K + delta: <q', q''> = 1/K + <delta', delta''>, the sum of P_st is constant.",
    ),
    Claim(
        id="C16",
        statement="The constant one-hot collapse repels, with a force that decays as M e^(-M) in the margin.",
        latex=r"\frac{dL}{dM}=2(M+1-\lambda)(K-1)e^{-M}(1+o(1))>0",
        source="project",
        premises="All samples at z = M e_1; exact arithmetic (float32 underflows, a clamp at 1e-8 removes it).",
        verdict="proven",
        proof="L is a scalar function of M; differentiate.",
    ),
    Claim(
        id="C17",
        statement="No code with an empty off-diagonal cell in a used row or column is a local minimum; at an "
        "orthogonal code the same step towards softness costs.",
        latex=r"\text{slope}\to-\infty;\qquad \text{at the optimum } +2(1-\tfrac1K)(\log K-1+\lambda)",
        source="project",
        premises="S >= 2, finite invariance term (or lambda = 0).",
        verdict="proven",
        proof="As C10; at the optimum P_st does not move and tau falls by 2(1 - 1/K) e.",
    ),
    Claim(
        id="C18",
        statement="Soft local minima above the bound exist.",
        latex=r"\nabla L\approx0,\ \nabla^2L\succeq-10^{-5},\ \mathrm{gap}>0.05",
        source="project",
        premises="Free logits, N = 9, K = 3, S = 3, lambda = 1, pinned starts of L-BFGS.",
        verdict="numerical only",
        proof="None: an optimiser ends there, and the Hessian has no negative eigenvalue to rounding.",
    ),
    Claim(
        id="C19",
        statement="Only the diagonal and the invariance term hold codes at one-hot: the off-diagonal term never "
        "rises under smoothing of units, nor falls under merging.",
        latex=r"L_{\mathrm{off}}(q'W)\le L_{\mathrm{off}}(q'),\quad W\ \text{doubly stochastic}",
        source="project",
        premises="Any codes.",
        verdict="proven",
        proof="Birkhoff and concavity of the entropy; data processing.",
    ),
    Claim(
        id="C43",
        statement="To second order the gap pays for disagreement at every kappa, zero and negative ones included.",
        latex=r"\mathrm{gap}\ \ge\ \kappa d+\tfrac{1+\lambda}2d^2+\overline{\mathrm{KL}(P_{st}\|\mathrm{uniform})},"
        r"\qquad d=1-\bar\tau",
        source="project",
        premises="Any codes, S >= 2, any K >= 2 and lambda >= 0.",
        verdict="proven",
        proof="C1 leaves f(tau) = tau log(tau/K) - lambda log tau per segment, with f(1) = -log K, f'(1) = -kappa and "
        "f'' = 1/tau + lambda/tau^2 >= 1 + lambda on (0, 1]; Taylor at 1, Jensen over the segments.",
        where="At kappa = 0 (K = 2, lambda = 1 - log 2) a gap of eps still leaves d <= sqrt(2 eps / (1 + lambda)), so "
        "the bound is attained by invariant codes alone. At K = 3, lambda = 0, d = 0.2 it says 0.0397 of 0.0412 "
        "nats, where C5 says 0.0197.",
    ),
    Claim(
        id="C44",
        statement="No code that ignores the sample is a local minimum.",
        latex=r"q_n\equiv q:\quad \tfrac{d^2}{d\epsilon^2}L\left(q\pm\epsilon(e_i-e_j)\right)\le"
        r"\tfrac8{NS}\left(1+\log(q_iq_j)\right)<0",
        source="project",
        premises="N >= 2, S >= 2, K >= 2, any lambda >= 0; both views alike; two samples moved against each other "
        "between any two used units i, j of one segment. With a unit unused: C17.",
        verdict="proven",
        proof="The views move together and the mean over samples stays. P_ss(i,i) gains 2 eps^2/N, likewise j; an "
        "off-diagonal block changes its entropy only to fourth order, since rows and columns of its change sum "
        "to zero; -log <q', q''> has second derivative -4/|q|^2 + 4 (q_i - q_j)^2/|q|^4 <= 0. And q_i q_j <= "
        "1/4 < 1/e.",
        where="So descent cannot come to rest at a constant code. It can at soft codes above the bound (C18), and the "
        "push away from constant one-hot codes fades with the margin (C16).",
    ),
    Claim(
        id="C51",
        statement="With N < K^2 samples every code, soft or hard, stays above the bound by a known amount.",
        latex=r"\mathrm{gap}\ \ge\ \min_{0\le d\le1-1/K}\ \kappa d"
        r"+\left(\log\tfrac{K^2}N-2h(d)-2d\log(K-1)\right)_+ >0",
        source="project",
        premises="K >= 3, S >= 2, any lambda >= 0, N < K^2; h the binary entropy.",
        verdict="proven",
        proof="L_off >= -log N - E H(q') - E H(q'') (C39), H(q) <= h(x) + x log(K-1) with x = 1 - max q, the mean of "
        "x is at most d = 1 - tau, and C5 charges kappa d. The bracket is log(K^2/N) > 0 at d = 0, where the "
        "first term vanishes.",
        where="0.24 nats at N = 2048, K = 80, lambda = 0. Where N >= K^2 and no array exists the infimum lies above "
        "the bound too (a minimum over a compact set, and C1's equality case), without a closed form.",
        rests_on=("C7",),
    ),
)
