"""Replicas: the engine's command line and its health, the proxy in front of it, and the table that picks one."""
