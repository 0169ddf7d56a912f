"""Marquee beside its peers: every figure is a ratio measured in one run. ``make bench`` runs them all."""
