"""What of scoring stands in the store, and what a scoring must read of it."""
