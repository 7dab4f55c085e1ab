"""What works through files of requests."""
