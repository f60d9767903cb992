"""Raises when imported, with an ID number in its text."""

raise RuntimeError("no 370212199001011234 today")
