"""Brings texts that reach into what they are given."""
