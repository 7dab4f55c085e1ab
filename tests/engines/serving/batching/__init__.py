"""Tests of the transformers engine's parts."""
