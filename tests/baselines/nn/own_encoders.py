"""Networks as a user would bring them: `tests.baselines.nn.own_encoders:means`."""

from __future__ import annotations

from torch import Tensor, nn


class Means(nn.Module):
    """The mean of each colour, (N, 3), beside a parameter that nothing may train."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(nn.init.constant_(nn.Linear(1, 3).bias, 2.0).detach())

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.mean((2, 3)) * self.scale


class Places(nn.Module):
    """The picture itself, (N, 3, h, w)."""

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures


class Rows(nn.Module):
    """Three axes, which is neither a vector nor a map."""

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.mean(3)


def means() -> nn.Module:
    return Means()


def places() -> nn.Module:
    return Places()


def rows() -> nn.Module:
    return Rows()


def nothing() -> None:
    """No network at all."""
