"""CPU threads of a process."""

from __future__ import annotations

import os
import sys

EVALUATION_THREADS = 1  # fixed, so that sums are ordered alike whatever the machine and the number of workers


def set_threads(number: int) -> None:
    """Limits the CPU threads of this process: torch's if it is loaded, and what starts later."""
    os.environ["OMP_NUM_THREADS"] = str(number)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(number)
