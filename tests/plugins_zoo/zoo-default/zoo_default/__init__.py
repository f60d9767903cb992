"""Declares a default of the wrong type."""
