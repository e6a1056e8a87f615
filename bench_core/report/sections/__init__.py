"""The report's sections beside the workloads: parity, pipelines, and one per study."""
