"""Reading users' data."""
