"""What the tests and the environment server both know."""

KEY = "or-key-of-the-tests"
