"""Models of ratings and rankers of lists; ``base`` has their contract, ``registry`` their names."""
