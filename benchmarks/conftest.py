"""Chooses how torch's CPU threads wait for each other, before torch is loaded and reads it."""

import os

from bench_core.hardware import waiting

if waiting.can_choose():
    waiting.choose(os.environ, waiting.busy_cores())
