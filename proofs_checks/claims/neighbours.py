"""C47 to C50: what others name, prove or minimise, beside this loss.

References are cited with what they state. "Abstract only" means that no more of the text was read; every statement
that is a claim here was derived again, for the codes of this loss.
"""

from proofs_checks.register import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="C47",
        statement="Of the four collapses that CPLearn names, three have a price for every code: ignoring the sample, "
        "leaving dimensions, leaving units. The fourth, no variation inside a cluster, is absent from the units of a "
        "segment at the bound and present in whole codewords.",
        latex=r"\mathrm{gap}\ge(1-\tfrac2K)\log K;\quad \mathrm{gap}\ge\frac{S(K-1)-r}{\max\left(\frac{S(S-1)}{c(K^2)},"
        r"\frac{SK}{c(K)},\frac{SK^2}{\log K-1}\right)};\quad \mathrm{gap}\ge\overline{\log\tfrac K{K_s}}+"
        r"\overline{\log\tfrac{K^2}{K'_sK''_t}}",
        source="project",
        premises="K >= 3, S >= 2, any lambda >= 0. In turn: codes that ignore the sample; whitened codes of a view of "
        "rank r (N <= r is one way); K'_s, K''_s units used by the views, K_s >= 3 by both. c(R) = (R log R "
        "- R + 1)/(R - 1)^2. Last: the bound attained.",
        verdict="proven",
        proof="C12. The whitened joint (C25) has rank at most r, so its squared distance to I is at least S(K-1) - r; "
        "block by block that distance is at most 1/c times the relative entropies of C5, plus K^2 d. An entropy "
        "over fewer cells is smaller. At the bound every unit's samples are spread evenly over the units of any "
        "other segment, and samples of one codeword have one embedding, at most N/(1 + S(K-1)) of them (C22).",
        where="CPLearn (arXiv 2410.04959): the names are in its abstract, the definitions were read in summaries "
        "only. The prices are small where S is large: a duplicated pair loses K - 1 dimensions for 2 log "
        "K/(S(S-1)) (C14).",
        rests_on=("C12", "C13", "C14", "C22"),
    ),
    Claim(
        id="C48",
        statement="On whitened codes the dimension-contrastive and the sample-contrastive criterion differ by norms "
        "of rows and columns, and for hard codes the norms of samples are constant, so on balanced hard "
        "codes they are one criterion.",
        latex=r"\sum_{d\ne e}(F^\top F)_{de}^2+\sum_d\|F_{\cdot d}\|^4=\sum_{n\ne m}(FF^\top)_{nm}^2"
        r"+\sum_n\|f_n\|^4,\qquad \|f_n\|^2=\sum_s(K\|q_n(s)\|^2-1)",
        source="project",
        premises="One view's codes, F in the contrast coordinates of C25. Norm S(K-1) for every sample iff hard.",
        verdict="proven",
        proof="Both sides are the squared Frobenius norm of the N x N, or the S(K-1)-sided, Gram matrix. |sqrt K U^T "
        "q|^2 = K |q|^2 - 1.",
        where="The identity is that of Garrido et al. (arXiv 2206.02574; abstract: the two families are equivalent "
        "under limited assumptions; the theorem was read in a summary). Beside C37 and C38: the quadratic "
        "criteria are dual for all codes up to norms, the off-diagonal term itself for hard codes only, since "
        "Shannon's entropy of soft codes is no function of the Grams (C42).",
        rests_on=("C37", "C38"),
    ),
    Claim(
        id="C49",
        statement="A covariance penalty behind a projector of each variable by itself reaches pairwise independence "
        "as well: exactly if the projector has K - 1 independent features of a variable with K levels.",
        latex=r"\operatorname{Cov}(a(x),b(y))=0\ \iff\ I(x;y)=0,\quad"
        r" \operatorname{span}(1,a)=\operatorname{span}(1,b)=\mathbb R^K",
        source="project",
        premises="x, y with K levels each, all of them used; features of x alone and of y alone. With K - 2 or fewer "
        "features on one side some dependent pair, with balanced levels, has no covariance at all.",
        verdict="proven",
        proof="The covariances of all functions of x with all functions of y vanish iff P = p q^T. With too few "
        "features a vector u is orthogonal to 1 and to all of them; P = (1 + eps u v^T)/K^2 is dependent and "
        "has none.",
        where="Mialon et al. (arXiv 2209.14905; abstract: VICReg, Barlow Twins or W-MSE with an MLP projector enforce "
        "pairwise independence of the projector's input; caption of its Figure 1: mutual independence "
        "stagnates). So what the off-diagonal term adds to a scalar covariance (C24) is the coding, which is "
        "such a projector, and W6 compares with criteria that have none. Triples escape both (C21).",
        rests_on=("C24",),
    ),
    Claim(
        id="C50",
        statement="With one segment TWIST and this loss have the same minimisers; with several, TWIST, IIC and a "
        "simplicial embedding with an invariance loss are content with identical segments, which cost log K "
        "here.",
        latex=r"\overline{\mathrm{KL}(q'\|q'')}+\overline{H(q)}-H(\bar q)=-\log K"
        r"\iff L_{\mathrm{diag}}=-\log K\quad(S=1)",
        source="project",
        premises="K >= 3, K | N; consistency, sharpness and diversity with weight one each; IIC: mutual information "
        "of the views' codes, segment by segment.",
        verdict="proven",
        proof="Each of TWIST's three terms is at its own minimum there: equal codes, one-hot, balanced; C1 has the "
        "same equality case for S = 1, lambda = 0. A sum over segments does not see what they share.",
        where="TWIST (arXiv 2110.07402, abstract only): consistent, sharp and diverse class distributions. IIC (arXiv "
        "1807.06653): mutual information of the assignments; C39 compares it. SEM (arXiv 2204.00616, abstract "
        "only): the same coding, a softmax over each of several groups, with the loss of another method; alone, "
        "an invariance loss on it is content with a constant (W15).",
        rests_on=("C39",),
    ),
)
