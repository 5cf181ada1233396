"""Floating-point operations, counted while they are done; what a device has not finished yet, waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.utils.flop_counter import FlopCounterMode


@contextmanager
def counted() -> Iterator[Callable[[], int]]:
    """Counts operations of matrix products and convolutions, forward and backward; a multiplication with its addition
    is two. What is called inside tells how many there were until then."""
    with FlopCounterMode(display=False) as counter:
        yield counter.get_total_flops


def finished() -> None:
    """Returns once every device has done what it was told to."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
