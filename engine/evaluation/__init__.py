"""Evaluation of models and lists on held-out ratings, and comparison of versions."""
