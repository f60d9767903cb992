"""The law: provinces, rule packs and catalogues, data first."""
