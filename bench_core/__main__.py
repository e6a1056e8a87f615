"""Lets a plain checkout run as ``python -m bench_core``."""

from bench_core.cli import main

main()
