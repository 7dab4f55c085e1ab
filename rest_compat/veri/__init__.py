"""The post-training API under `/v1`, as its published clients and documents know it."""
