"""Persistence: one SQLite file with one writer. Imports nothing else of Marquee, and holds all of its SQL."""
