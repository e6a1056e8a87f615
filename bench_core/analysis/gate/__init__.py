"""The decision of a gate: from pairs of processes to a verdict on each case."""
