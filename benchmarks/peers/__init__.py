"""Marquee beside other libraries, each model in a process of its own: ``python -m benchmarks peers``."""
