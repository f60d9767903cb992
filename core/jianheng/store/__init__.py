"""The store: every version of every fact, what each run did, the ledger. Nothing is overwritten."""
