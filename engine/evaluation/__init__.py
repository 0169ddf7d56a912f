"""How good models and lists are on ratings they have not seen, and whether one version is better than another."""
