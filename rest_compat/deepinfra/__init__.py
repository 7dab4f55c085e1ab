"""The routes of DeepInfra's deployments, at the server's root."""
