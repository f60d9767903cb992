"""Sync: from a source's rows to checked facts in the store, with every row accounted for."""
