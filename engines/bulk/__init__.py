"""Bulk inference: files of requests, worked through beside what people ask."""
