"""Facts: what the upstream systems know, under one set of names. Each entity is declared once."""
