"""A policy tried before it is in force: worked examples and whether they cover what it says."""
