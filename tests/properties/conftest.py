"""No example has a time to keep: how long one takes says more of the machine than of the code."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("properties", deadline=None)
settings.load_profile("properties")
