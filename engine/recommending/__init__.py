"""What a person sees: lists, how they are scored, what explains them, and how new ratings change them at once."""
