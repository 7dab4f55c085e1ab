"""The base models: fetched from a hub (`hub`), or made here from what a package carries (`smollm2`) or from nothing (`tiny`).

`hub` and `folder` are light; `tiny` and `smollm2` import torch and are run as programs: `python -P -m engines.bases.tiny OUT`.
"""
