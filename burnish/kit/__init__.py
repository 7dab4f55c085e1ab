"""Plumbing that every room stands on; it knows nothing of jobs, deployments or money owed."""
