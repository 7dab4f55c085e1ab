"""What runs on the GPU, and what drives it.

`actors`, `supervise`, `protocol`, `guard` and `serving` are light and may be imported anywhere. `training`, `rewards.jail_main`
and `bases` import torch and friends, or run users' code, and are only ever imported by a child process.
"""
