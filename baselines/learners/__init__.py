"""Learners: what needs torch. `baselines/<name>.py` declares an agent, the module of the same name here makes it."""

import os

# Large tensors come and go with every update (PIE-G's projection gradient alone has 254 MB). In pages of 4 KiB their
# page faults cost as much as the arithmetic; torch reads this when it first allocates, and no result depends on it.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
