"""The same facts under two laws, past years, or coefficients taken from effort."""
