"""Has a manifest that is no TOML; must not be imported."""

raise AssertionError("imported in spite of its manifest")
