"""Models of ratings and of lists; ``base`` holds their contract, ``catalog`` names them."""
