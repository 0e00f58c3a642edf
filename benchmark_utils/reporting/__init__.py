"""What reads results tables: curves, choices of parameters, styles."""
