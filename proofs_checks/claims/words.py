"""The authors' own words, W1 to W22, each with the exact premise under which it is true of the loss as written here.

Where the words allow a weaker reading that is true, `fair` has it, and the table prints both.

Claims of experiment are not registered here: that MUSIC is better than other methods (the excerpt's fifth contribution;
the preprint's abstract, of Barlow Twins and VICReg on ImageNet with linear probing) no proof can settle. Rules written
before the runs decide them, `reproduce/verdicts.yaml` (`competitive-*`, `beyond-*`), and the report prints the result.
"""

from proofs_checks.register import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="W1",
        statement="At a minimum of the loss the two views of every sample have the same codes.",
        latex=r"L=-3\log K \;\Rightarrow\; q'_n(s)=q''_n(s),\qquad"
        r" \overline{1-\langle q',q''\rangle}\le \mathrm{gap}/\kappa",
        source="excerpt",
        words="transform-invariant",
        premises="The bound attained and kappa >= 0: K >= 3, or K = 2 with lambda >= 1 - log 2. With a gap that is "
        "small and not zero, kappa > 0, that is lambda > 1 - log 2 at K = 2; at kappa = 0 the disagreement "
        "is of the order of the gap's square root (C43).",
        verdict="holds under premises",
        proof="C1 (equality case), C5 and C43 (quantitative).",
        where="False at K = 2, lambda = 0, where minimisers differ between views (C2). For lambda < 1 a unit in which "
        "more than e^(lambda-1) of the samples agree is pushed to disagree, at any K (C4). With N < K^2 the gap "
        "stays away from zero (C51).",
        fair="The loss pulls towards invariance: for lambda >= 1 no agreement of two views is ever penalised (C4), "
        "and for kappa > 0 the mean disagreement is at most gap/kappa whatever the batch (C5).",
        rests_on=("C1", "C2", "C3", "C4", "C5", "C43", "C51"),
    ),
    Claim(
        id="W2",
        statement="A code that ignores the sample is no minimiser.",
        latex=r"q_n \equiv q \;\Rightarrow\; L \ge -\left(2+\tfrac2K\right)\log K",
        source="excerpt",
        words="non-trivial",
        premises="N >= 2 and views alike: then no such code is even a local minimum (C44). As a margin: they "
        "stay (1 - 2/K) log K above an orthogonal array, which is something for K >= 3, in batches that admit one.",
        verdict="holds under premises",
        proof="C44, C12, C15; the price of partial collapses: C13.",
        where="At K = 2, lambda = 0 the uniform collapse ties with the perfect code. The off-diagonal term is at its "
        "minimum there: it does not prevent the collapse. Partial collapses are cheap (C14).",
        rests_on=("C12", "C13", "C14", "C15", "C2", "C44"),
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
        "further segments is free (C21); duplicates within a view that the other view does not share escape the "
        "off-diagonal term, and only the views' disagreement is charged (C26).",
        fair="Not all segments say the same: identical segments cost log K at every lambda (C13).",
        rests_on=("C5", "C13", "C14", "C20", "C21", "C26"),
    ),
    Claim(
        id="W4",
        statement="At a minimum the codes are one-hot and balanced and separate the samples.",
        latex=r"L=-3\log K \;\Leftrightarrow\; \text{orthogonal array of strength two};\quad"
        r" \#\{n: c_n = c\}\le N/(1+S(K-1))",
        source="excerpt",
        words="discriminative",
        premises="kappa >= 0, S >= 2 and the bound attained, which needs K^2 | N and N >= 1 + S(K-1).",
        verdict="holds under premises",
        proof="C1, C7; at most N / (1 + S(K-1)) samples share a codeword: C22.",
        where="False for every batch with N < K^2, so at both published sizes: no minimiser is one-hot there (C10). "
        "Nothing is said about meaning: any permutation of the codewords among samples is as good (C14, C32).",
        fair="Codes are pushed to one-hot and segments to balance: mean (1 - max q) is at most gap/kappa at every "
        "batch size, and how soft minimisers are at N < K^2 is a matter of degree (C5, C10).",
        rests_on=("C1", "C5", "C7", "C8", "C10", "C14", "C22", "C32"),
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
        fair="A feature variable may be a segment, and the excerpt speaks of the information between different "
        "segments: read of two of them, one from each view, and of hard codes, every form of dependency is gone "
        "at the minimum, any function of the one being independent of any function of the other.",
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
        "covariance penalty on the same features has the same zero set (C23, C25); behind a projector of each "
        "variable with K - 1 features it reaches pairwise independence too (C49).",
        fair="Against criteria that see the variables as they are, without a projector, the words hold as they stand "
        "(C24).",
        rests_on=("C23", "C24", "C25", "C49"),
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
        where="Entropies of N independent uniform hard codes are biased low, by log(cells/N) at least and log(1 + "
        "(cells - 1)/N) at most: the first order (cells - 1)/(2N) falls short by up to 16 % near N = 4/3 of the "
        "cells and is far too large for N well below them (C28, C30, C45). No reading of N hard codes exceeds log "
        "N, and no lower bound vouches for much more (C46).",
        rests_on=("C28", "C30", "C45", "C46"),
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
        fair="For soft codes too the contrastive expression is an upper bound of the off-diagonal term (C37), and the "
        "quadratic criteria of the two families differ by norms alone (C48).",
        rests_on=("C37", "C38", "C48"),
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
        where="With finite logits codes are soft and the bound is not attained; it is approached exactly where the "
        "batch admits an orthogonal array (C1, C7), never with N < K^2 (C51).",
        fair="Read as a law over one-hot vectors, or of its largest entry, it is exact at every temperature.",
        rests_on=("C51",),
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
        fair="The sentence lists first that every segment classifies the samples into its attributes: with the units' "
        "usage so given, H(P_st) + I(P_st) is constant and the two aims are one.",
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
        fair="For hard codes the joint decides that term as well: zero if every P_ss has all its mass on the "
        "diagonal, infinite if not.",
    ),
    Claim(
        id="W17",
        statement="At a minimum any two segments partition the samples independently: each part of one is split "
        "evenly by the other.",
        latex=r"H(c_s\mid c_t)+H(c_t\mid c_s)=2\log K,\quad\text{the largest possible}",
        source="preprint",
        words="different segments focus on different partition principles",
        premises="Exactly when the bound is attained (kappa >= 0, an orthogonal array), read of two segments at a "
        "time and of partitions, not of what they mean.",
        verdict="holds under premises",
        proof="C7: every pair of units holds N/K^2 samples, so the variation of information is 2 log K.",
        where="Meaning is outside the loss: which samples form a part is free (C14, C32), at the price of C13 for "
        "repeating another segment, one pair of them 2 log K/(S(S-1)). A third segment may be a function of two "
        "others (C21). Nor does descent part them by itself: at the start all grow one mode (C52, C53), and a "
        "second attribute that survives the views less often has a price (C54).",
        fair="Not all segments partition alike: if they do it costs log K, and below lambda = 1 + 2/K one of them "
        "would rather be uniform (C13, C55).",
        rests_on=("C7", "C13", "C14", "C21", "C32", "C55"),
    ),
    Claim(
        id="W18",
        statement="A code that ignores the sample is no minimum of the loss, local minima included.",
        latex=r"q_n\equiv q\ \Rightarrow\ q\ \text{is no local minimum}",
        source="preprint",
        words="theoretically guarantee trivial solutions are avoided",
        premises="Trivial: ignores the sample. N, S >= 2, views alike, any K >= 2 and lambda >= 0.",
        verdict="holds under premises",
        proof="C44 for codes that use every unit, C17 for the others, C15 for the uniform one; globally C12.",
        where="The push away from constant one-hot codes is of order M e^(-M) in the margin, and float32 or a clamp "
        "removes it (C16, C35). Solutions that are trivial in part are not excluded: dead and repeated segments "
        "are cheap (C13, C14), and there are soft local minima (C18).",
        rests_on=("C12", "C15", "C16", "C17", "C18", "C44"),
    ),
    Claim(
        id="W19",
        statement="The clusters that a segment makes are semantic.",
        latex=r"L(q_{\pi(1)},\dots,q_{\pi(N)})=L(q_1,\dots,q_N)",
        source="preprint",
        words="semantic clusters",
        premises="None stated.",
        verdict="false as worded",
        corrected="The clusters are balanced, and those of any two segments independent, where the bound is attained. "
        "Which samples share one is free: a hash of the sample's number is as good a code. Meaning comes "
        "from the encoder and the views.",
        proof="The loss is invariant under permutations of the samples (C32), so any assignment of an optimal code's "
        "words to samples is optimal (C14).",
        fair="Clusters they are: N/K samples a unit at the minimum, and no codeword holds more than N/(1 + S(K-1)) "
        "(C7, C22).",
        rests_on=("C7", "C14", "C22", "C32"),
    ),
    Claim(
        id="W20",
        statement="The loss charges for redundancy that existing redundancy-reducing losses do not see.",
        latex=r"\operatorname{cov}(x,y)=0<I(x;y)=L_{\mathrm{off}}+2\log K",
        source="follow-up",
        words="superiority over the existing methods in reducing feature redundancy",
        premises="Existing methods: covariance or correlation penalties on scalar features as they are; redundancy: "
        "of two variables; the loss with its one-hot codes. What training reaches is a matter of experiment.",
        verdict="holds under premises",
        proof="C24.",
        where="On the same codes the zero sets coincide (C23, C25); a covariance penalty behind a projector of each "
        "variable sees as much (C49); redundancy of three variables is left by both (C21).",
        rests_on=("C21", "C23", "C24", "C25", "C49"),
    ),
    Claim(
        id="W21",
        statement="Three variables can be redundant, to the full log K, where every pairwise term is least.",
        latex=r"c_3=c_1+c_2:\quad L=-3\log K,\qquad \text{total correlation}=\log K",
        source="HOME",
        words="redundancy among more than two feature variables that cannot be minimized via the pairwise "
        "regularization",
        premises="Of pairwise terms, those of this loss and of Barlow Twins and VICReg.",
        verdict="proven",
        proof="C21; a third-order term closes it, and leaves the quadruple (C56).",
        rests_on=("C21", "C56"),
    ),
    Claim(
        id="W22",
        statement="The information that several variables share is least exactly if they are independent.",
        latex=r"\sum_sH(c_s)-H(c_1,\dots,c_S)\ge0,\ =0\iff\text{independent};\qquad I(c_1;c_2;c_1+c_2)=-\log K",
        source="HOME",
        words="Multivariate mutual information is minimum if and only if multiple variables are mutually independent",
        premises="Read as total correlation.",
        verdict="holds under premises",
        proof="Total correlation is a relative entropy to the product of the marginals.",
        where="Read as interaction information, the alternating sum of entropies, it is false: the modular triple has "
        "-log K, below the 0 of independence.",
        rests_on=("C21",),
    ),
)
