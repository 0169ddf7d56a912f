"""Ratings on their way from somebody's files to the arrays that models learn from."""
