"""Ratings, from uploaded files to the arrays that models learn from."""
