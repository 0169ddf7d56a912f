"""The documentation of the API: examples, and the reference as a page and as ``docs/api.md``."""
