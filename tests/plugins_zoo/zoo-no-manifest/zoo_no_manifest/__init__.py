"""Has no manifest; must not be imported."""

raise AssertionError("imported without a manifest")
