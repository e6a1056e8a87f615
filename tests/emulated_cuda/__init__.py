"""An emulated NVIDIA GPU: torch's CUDA build over host memory. See README.md; ``python -m tests.emulated_cuda``."""
