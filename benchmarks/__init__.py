"""What the platform costs, side by side with its peers: `python -m benchmarks`, or one of them by name."""
