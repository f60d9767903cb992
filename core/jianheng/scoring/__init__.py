"""Scoring: law as data, applied to facts; a ledger in which every point can be opened."""
