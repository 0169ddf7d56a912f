"""Checks of the project itself; Marquee does not import them."""
