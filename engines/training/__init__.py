"""What training children run. `spec` is light and may be imported anywhere; everything else here imports torch."""
