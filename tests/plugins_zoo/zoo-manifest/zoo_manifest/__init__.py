"""Has a manifest full of faults; must not be imported."""

raise AssertionError("imported in spite of its manifest")
