"""What the adapter knows: markers, codes, units, limits, factors, rule parameters and texts, each with its source."""
