"""What builds the environment, the dashboard and what tests need; each file runs by itself."""
