"""The trunk: puts the rooms together into the API process, the host process and the command line."""
