"""Where work runs: which of our hosts has room for it."""
