"""Parts of a single page, named after it."""
