"""The HTTP API: a FastAPI app that the console's server mounts at ``/api``."""
