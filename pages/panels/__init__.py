"""Parts of one page each, named after it."""
