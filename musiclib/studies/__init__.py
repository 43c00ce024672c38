"""What notebooks are made of: comparisons, ablations, costs, dynamics, few labels, other sets, published numbers."""
