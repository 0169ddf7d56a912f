"""Parts shared by pages: session keys, charts, forms, tables, movie cards, progress."""
