"""Publishing: a finished result as one value, handed to each target once."""
