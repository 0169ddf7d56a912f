"""How a version comes about: trained, tuned, judged against the one that serves, and when it has fallen behind."""
