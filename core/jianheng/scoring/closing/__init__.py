"""Periods that are settled: receipts, what comes after them, and computing them again."""
