"""The report's sections that are not about one workload: parity, pipelines and the studies."""
