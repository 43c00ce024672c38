"""Short quotations from the sources, word for word, so that a claim's `words` can be looked up.

Excerpt: Multi-Segmental Informational Coding for Self-Supervised Representation Learning, abstract and Section 1.
Preprint: the same, under another title and with another abstract, arXiv 2206.06461. Follow-up: IMSVD, arXiv
2501.03469, abstract. HOME: arXiv 2207.07743, abstract. Of these three a phrase is quoted at a time.
"""

QUOTATIONS: dict[str, tuple[str, ...]] = {
    "excerpt": (
        "Our theoretical analysis guarantees that MUSIC learns transform-invariant, non-trivial, diverse, and "
        "discriminative features.",
        "Importantly, MUSIC can minimize any form of dependency between feature variables beyond the linear "
        "correlation in current methods",
        "reducing the feature redundancy beyond the linear correlation",
        "MUSIC does not require an asymmetry network architecture, negative samples in a large batch or a memory "
        "bank, gradient stopping, or momentum updating",
        "MUSIC enables the estimation of the probability distribution over discrete attributes",
        "we discretize the feature variable by a segment of the one-hot vector implemented with softmax function",
        "the mutual information between different segments is minimized, or equivalently the information/entropy of "
        "embedding features is maximized",
        "we propose an entropy-based loss function based on the empirical joint probability distribution",
        "Simply maximizing the similarity or minimizing the Euclidean distance between embedding features of "
        "semantically similar samples tends to produce trivial solutions",
    ),
    "preprint": (
        "different segments focus on different partition principles",
        "theoretically guarantee trivial solutions are avoided",
        "semantic clusters",
    ),
    "follow-up": (
        "statistically performs contrastive learning",
        "superiority over the existing methods in reducing feature redundancy",
    ),
    "HOME": (
        "redundancy among more than two feature variables that cannot be minimized via the pairwise regularization",
        "Multivariate mutual information is minimum if and only if multiple variables are mutually independent",
    ),
}
