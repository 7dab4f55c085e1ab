"""Tests of bulk inference."""
