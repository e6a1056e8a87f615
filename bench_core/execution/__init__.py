"""A benchmark run, from its options to the records that are stored.

May import ``timing``, ``workloads``, ``storage``, ``hardware`` and ``core``. Knows no pytest: ``plugin`` does.
"""
