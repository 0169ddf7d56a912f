"""Everything Marquee keeps: one SQLite file, one writer. Imports nothing else of Marquee; SQL is written only here."""
