"""The routes of the dedicated inference service, under `/api/v2/external`."""
