"""Marquee compared with other libraries, each model in its own process: ``python -m benchmarks peers``."""
