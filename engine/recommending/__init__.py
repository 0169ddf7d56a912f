"""What a person sees: lists, their scores and explanations, and how new ratings change them at once."""
