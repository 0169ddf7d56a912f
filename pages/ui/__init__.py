"""Parts that pages share: session keys, charts, forms, movie cards, progress."""
