"""What several methods share: checks and precision, slow copies, queues, memories, prototypes, k-means, Sinkhorn."""
