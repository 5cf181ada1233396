"""Contrastive learning as MishaLaskin/curl has it: a picture is to know its own other crop among those of others.

Laskin, Srinivas, Abbeel, "CURL: Contrastive Unsupervised Representations for Reinforcement Learning", 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Bilinear(nn.Module):
    """How alike queries and keys are: z W k^T.

    Args:
      dim: of both.
      generator: W is drawn from it, uniformly from [0, 1).
    """

    def __init__(self, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(dim, dim, generator=generator))

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """(N, D) and (N, D) to (N, N), less the largest of each row."""
        logits = queries @ (self.weight @ keys.T)
        return logits - logits.max(dim=1, keepdim=True).values


def contrastive_loss(logits: Tensor) -> Tensor:
    """Cross-entropy of (N, N) logits; the key of query i is number i."""
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))
