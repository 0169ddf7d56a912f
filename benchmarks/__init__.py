"""Marquee compared with other libraries: every ratio is measured in one run. ``make bench`` runs all."""
