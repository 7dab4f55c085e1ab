"""The OpenAI routes under `/v1`."""
