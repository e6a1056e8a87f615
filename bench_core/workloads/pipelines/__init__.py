"""Complete pipelines with stages that are timed one by one: loading, transfer, computing."""
