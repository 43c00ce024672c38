"""Jobs run to their end, here or on a cluster, so that nothing is lost."""
