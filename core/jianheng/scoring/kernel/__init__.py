"""The plan: facts and law in, ledger lines out, a set at a time; no clock, no store."""
