"""The paper's own words, W1 to W16, each with the exact premise under which it is true of the loss as written here."""

from proofs_checks.register import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="W1",
        statement="At a minimum of the loss the two views of every sample have the same codes.",
        latex=r"L=-3\log K \;\Rightarrow\; q'_n(s)=q''_n(s),\qquad"
        r" \overline{1-\langle q',q''\rangle}\le \mathrm{gap}/\kappa",
        source="excerpt",
        words="transform-invariant",
        premises="kappa > 0: K >= 3, or K = 2 with lambda >= 1 - log 2; the bound attained, or the gap small.",
        verdict="holds under premises",
        proof="C1 (equality case) and C5 (quantitative).",
        where="False at K = 2, lambda = 0, where minimisers differ between views (C2). For lambda < 1 a unit with "
        "more than e^(lambda-1) of the samples is pushed to disagree, at any K (C4).",
        rests_on=("C1", "C2", "C3", "C4", "C5"),
    ),
    Claim(
        id="W2",
        statement="A code that ignores the sample is no minimiser.",
        latex=r"q_n \equiv q \;\Rightarrow\; L \ge -\left(2+\tfrac2K\right)\log K",
        source="excerpt",
        words="non-trivial",
        premises="K >= 3 and a batch in which some code is below -(2 + 2/K) log K, for instance an orthogonal array: "
        "the margin is then (1 - 2/K) log K. At lambda = 0 any N >= 2: the one candidate, the uniform code, is a "
        "saddle.",
        verdict="holds under premises",
        proof="C12, C15; the price of partial collapses: C13.",
        where="At K = 2, lambda = 0 the uniform collapse ties with the perfect code. The off-diagonal term is at its "
        "minimum there: it does not prevent the collapse. Partial collapses are cheap (C14).",
        rests_on=("C12", "C13", "C14", "C15", "C2"),
    ),
    Claim(
        id="W3",
        statement="Different segments carry different information.",
        latex=r"\overline{\mathrm{KL}(P_{st}\,\|\,\mathrm{uniform})} \le \mathrm{gap}",
        source="excerpt",
        words="diverse",
        premises="Read pairwise, across views, of codes sampled from the softmax; kappa >= 0.",
        verdict="holds under premises",
        proof="C5; C20 splits the divergence into imbalance and mutual information.",
        where="One duplicated pair among S segments costs 2 log K / (S(S-1)) only (C14); redundancy of third and "
        "further segments is free (C21); duplicates within a view are charged by the diagonal term alone (C26).",
        rests_on=("C5", "C14", "C20", "C21", "C26"),
    ),
    Claim(
        id="W4",
        statement="At a minimum the codes are one-hot and balanced and separate the samples.",
        latex=r"L=-3\log K \;\Leftrightarrow\; \text{orthogonal array of strength two};\quad"
        r" \#\{n: c_n = c\}\le N/(1+S(K-1))",
        source="excerpt",
        words="discriminative",
        premises="kappa > 0 and the bound attained, which needs K^2 | N and N >= 1 + S(K-1).",
        verdict="holds under premises",
        proof="C1, C7; at most N / (1 + S(K-1)) samples share a codeword: C22.",
        where="False for every batch with N < K^2, so at both published sizes: no minimiser is one-hot there (C10). "
        "Nothing is said about meaning: any permutation of the codewords among samples is as good (C14, C32).",
        rests_on=("C1", "C7", "C8", "C10", "C14", "C22", "C32"),
    ),
    Claim(
        id="W5",
        statement="Minimising the loss removes any form of dependency between feature variables.",
        latex=r"c_3 = c_1 + c_2 \bmod K:\quad L=-3\log K,\ \text{total correlation}=\log K",
        source="excerpt",
        words="any form of dependency between feature variables",
        premises="None stated.",
        verdict="false as worded",
        corrected="At a minimum the sampled codes of every PAIR of different segments, one from each view, are "
        "independent; for hard codes that is every pairwise dependence. Triples, and soft features, are not covered.",
        proof="Two exact counterexamples: modular triples (C21), and soft codes that are functions of each other at "
        "the minimum of the off-diagonal term (C23).",
        rests_on=("C20", "C21", "C23"),
    ),
    Claim(
        id="W6",
        statement="The loss sees dependence that linear correlation of the underlying variables does not.",
        latex=r"\operatorname{cov}(x,y)=0,\ I(x;y)>0:\quad L_{\mathrm{off}}+2\log K = I(x;y)",
        source="excerpt",
        words="beyond the linear correlation",
        premises="One-hot codes of the variables, with balanced units.",
        verdict="holds under premises",
        proof="C24: uncorrelated dependent variables, where scalar Barlow Twins and VICReg terms are zero and the "
        "off-diagonal term is the mutual information.",
        where="The gain lies in the one-hot coding. Given the code, the loss depends on second moments alone, and a "
        "covariance penalty on the same features has the same zero set (C23, C25).",
        rests_on=("C23", "C24", "C25"),
    ),
    Claim(
        id="W7",
        statement="The loss compares no sample with another one, needs no large batch to be defined, and no memory "
        "bank.",
        latex=r"L = F\left(\mathbb E_n[q'_n q''^{\top}_n],\ \mathbb E_n[\log\langle q'_n,q''_n\rangle]\right)",
        source="excerpt",
        words="negative samples in a large batch or a memory bank",
        premises="Read structurally: the loss is a function of batch means.",
        verdict="holds under premises",
        proof="The joint and the invariance term are means over samples; repeating a batch changes nothing; N = 1 is "
        "defined.",
        where="Statistically other samples do act as negatives: for hard codes the off-diagonal term is a "
        "contrastive denominator over the whole batch (C37); and small batches are biased (C28, C31).",
    ),
    Claim(
        id="W8",
        statement="The two branches are exchangeable: no predictor, no teacher, no asymmetric term.",
        latex=r"L(z',z'')=L(z'',z'),\qquad \nabla_1 L(z',z'')=\nabla_2 L(z'',z')",
        source="excerpt",
        words="asymmetry network architecture",
        premises="Of the loss; the networks and the augmentation of the two branches are the user's.",
        verdict="proven",
        proof="Exchanging the views transposes P as a whole; the sum runs over all ordered pairs of segments.",
    ),
    Claim(
        id="W9",
        statement="Gradients reach both views, in full: nothing is stopped.",
        latex=r"z'=z'' \Rightarrow \nabla_1 L=\nabla_2 L,\qquad \tfrac{d}{dh}L(z'+hv,z'')=\langle\nabla_1 L,v\rangle",
        source="excerpt",
        words="gradient stopping",
        premises="Any logits.",
        verdict="proven",
        proof="C33 gives the gradient of each view in closed form; a difference quotient per view agrees.",
        rests_on=("C33",),
    ),
    Claim(
        id="W10",
        statement="No state outlives a step: no momentum copy, queue or running average.",
        latex=r"L_A,\ L_B,\ L_A:\ \text{the first and the last equal bit for bit}",
        source="excerpt",
        words="momentum updating",
        premises="Of the loss; optimisers have their own state.",
        verdict="proven",
        proof="The loss module has neither parameters nor buffers; a batch gives the same bits after another was seen.",
    ),
    Claim(
        id="W11",
        statement="The joint distribution of the units can be estimated from a batch, without bias.",
        latex=r"\mathbb E_B\,[P^{(B)}] = P",
        source="excerpt",
        words="enables the estimation of the probability distribution over discrete attributes",
        premises="Samples drawn uniformly; of the joint itself, not of its entropies.",
        verdict="holds under premises",
        proof="P is a mean over samples, so its mean over all batches is P of all samples.",
        where="Entropies are biased low by about (cells - 1)/(2N), and by much more once N < K^2 (C28, C30).",
        rests_on=("C28", "C30"),
    ),
    Claim(
        id="W12",
        statement="Minimising the loss is contrastive learning, statistically.",
        latex=r"L_{\mathrm{off}} = \overline{\log\ \overline{k'_s(n,m)\,k''_t(n,m)}}\quad\text{(hard codes)}",
        source="follow-up",
        words="statistically performs contrastive learning",
        premises="Hard codes for the identity; soft codes give an upper bound of the off-diagonal term only.",
        verdict="holds under premises",
        proof="C37; the saturated optimum also minimises InfoNCE (C38).",
        rests_on=("C37", "C38"),
    ),
    Claim(
        id="W13",
        statement="A softmax segment is a one-hot vector.",
        latex=r"\max_i q_n(s,i) \le \frac{1}{1+(K-1)e^{-2M/t}},\quad |z|\le M",
        source="excerpt",
        words="a segment of the one-hot vector implemented with softmax function",
        premises="In the limit of infinite logits, or of temperature zero.",
        verdict="holds under premises",
        proof="The ratio of two entries is at most e^(2M/t).",
        where="With finite logits codes are soft, and the bound is approached, never attained (C1).",
    ),
    Claim(
        id="W14",
        statement="Minimising mutual information between segments is equivalent to maximising the entropy of the "
        "features.",
        latex=r"H(P_{st}) = H(P_s)+H(P_t)-I(P_{st})",
        source="excerpt",
        words="or equivalently the information/entropy of embedding features is maximized",
        premises="None stated.",
        verdict="false as worded",
        corrected="Equivalent if the units' usage is held fixed; without that, joint entropy rewards balance as "
        "well: both are met together exactly at the minimum of the off-diagonal term.",
        proof="Chain rule (C20). From constant to identical balanced segments, entropy and mutual information both "
        "rise by log K; constant codes have no mutual information and no entropy.",
        rests_on=("C20",),
    ),
    Claim(
        id="W15",
        statement="Similarity of views alone admits the trivial solution.",
        latex=r"q_n\equiv e_i:\quad L_{\mathrm{ti}}=0=\min,\qquad L_{\mathrm{diag}}=L_{\mathrm{off}}=0=\max",
        source="excerpt",
        words="Simply maximizing the similarity",
        premises="Similarity is the invariance term; codes on the closed simplex.",
        verdict="proven",
        proof="<e_i, e_i> = 1; the joint is one cell, whose entropy is zero.",
    ),
    Claim(
        id="W16",
        statement="The loss is made of entropies of the empirical joint distribution of the two views' codes.",
        latex=r"L=\tfrac1S\sum_s\sum_i\varphi(P_{ss}^{ii})+\tfrac1{S(S-1)}\sum_{s\ne t}\sum_{ij}\varphi(P_{st}^{ij})"
        r"-\tfrac{\lambda}{NS}\sum_{n,s}\log\langle q'_n,q''_n\rangle",
        source="excerpt",
        words="an entropy-based loss function based on the empirical joint probability distribution",
        premises="lambda = 0: then L is a function of the joint alone. The equation itself is the follow-up's.",
        verdict="holds under premises",
        proof="By definition; the implementation equals the sums cell by cell.",
        where="At lambda > 0 the invariance term is a mean over samples that the joint does not determine.",
    ),
)
