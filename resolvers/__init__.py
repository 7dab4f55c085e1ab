"""What the platform does for a caller, one file per noun."""
