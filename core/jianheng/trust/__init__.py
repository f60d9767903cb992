"""Who may be believed: signed bundles of plugins, publishers, revocations. All offline."""
