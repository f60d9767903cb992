"""Benchmarks: each compares with a named peer or limit in the same run and checks equal results."""
