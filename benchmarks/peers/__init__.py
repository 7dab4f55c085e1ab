"""What the benchmarks run beside: the same work done by others, with their stock settings."""
