"""The engine `transformers`: OpenAI's shapes over the continuous batching of transformers, in a child on loopback."""
