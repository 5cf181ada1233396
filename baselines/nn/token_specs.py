"""Which frozen encoders `pvr` takes, and how many numbers each makes of a picture; told without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.baselines.nn import shapes, vit_files
from harness.baselines.nn.vit_files import VITS, VitSpec

RESNETS = ("resnet18", "resnet18_killthebits")
OUTSIDE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")  # package.module:callable
RESIZED = 224  # pixels a side, what `resize` "224" makes of a picture
LAYER, POOL = 2, 4
RESNET_WIDTH = 64

Resize = Literal["native", "224"]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class TokenSpec:
    """A frozen encoder and what is taken from it.

    Attributes:
      encoder: one of `RESNETS`, of `VITS`, or `package.module:callable`.
      layer: the last layer of a ResNet that is used, 1..4.
      pool: a ResNet's features are averaged to so many rows and columns; 0 leaves them as they are.
      registers: whether a transformer's register tokens are kept beside its class token.
      resize: "native" shows pictures as they are drawn, "224" enlarges (or shrinks) them to 224 x 224.
    """

    encoder: str
    layer: int = LAYER
    pool: int = POOL
    registers: bool = True
    resize: Resize = "native"

    @property
    def is_resnet(self) -> bool:
        return self.encoder in RESNETS

    @property
    def is_outside(self) -> bool:
        return ":" in self.encoder

    @property
    def vit(self) -> VitSpec | None:
        return VITS.get(self.encoder)

    @property
    def asset(self) -> str:
        """Name of what holds the weights, or the code that makes the network."""
        if self.is_outside:
            return f"code:{self.encoder}"
        return "resnet18_full" if self.encoder == "resnet18" and self.layer > 2 else self.encoder

    def problem(self) -> str | None:
        """What cannot be in these choices, as a clause; None if nothing."""
        if not (self.is_resnet or self.vit or OUTSIDE.fullmatch(self.encoder)):
            return f"encoder '{self.encoder}' is none of {', '.join((*RESNETS, *VITS))}, nor package.module:callable"
        if not self.is_resnet and (self.layer != LAYER or self.pool != POOL):
            return f"layer and pool are of the ResNets, and encoder {self.encoder} is none"
        if not self.registers and not (self.vit and self.vit.registers):
            return f"encoder {self.encoder} has no registers to leave out"
        return None

    def seen(self, image_size: int) -> int:
        """Height and width of what the encoder is shown, pixels."""
        return image_size if self.resize == "native" else RESIZED

    @property
    def min_image_size(self) -> int:
        """Least height and width of the pictures it takes."""
        if self.resize != "native" or self.is_outside:
            return 1
        if self.vit:
            return self.vit.patch
        return 1 if self.pool <= 1 else 2 ** (self.layer + 1) * (self.pool - 1) + 1

    def picture_problem(self, image_size: int) -> str | None:
        """Why it cannot look at pictures of a size, as a clause; None if it can."""
        if self.vit and (left := self.seen(image_size) % self.vit.patch):
            fitting = image_size - left
            return (
                f"encoder {self.encoder} cuts them into patches of {self.vit.patch} pixels a side, and "
                f"{image_size} is no multiple of that: give --set resize=224 or --set protocol.image_size={fitting}"
            )
        return None

    def num_tokens(self, image_size: int) -> int | None:
        """Numbers per picture; None for an encoder from outside, which only its network knows."""
        if self.vit:
            return (1 + (self.vit.registers if self.registers else 0)) * self.vit.dim
        if self.is_outside:
            return None
        if self.pool:
            return RESNET_WIDTH * 2 ** (self.layer - 1) * self.pool**2
        return shapes.resnet_features(self.layer, self.seen(image_size), RESNET_WIDTH)

    def tensors(self, name: str) -> shapes.Tensors | None:
        """What the network holds, below a name; None for an encoder from outside."""
        if self.is_outside:
            return None
        if self.vit:
            return {f"{name}.{key}": ("F32", shape) for key, shape in vit_files.tensors(self.vit).items()}
        return shapes.resnet18(name, self.layer)

    def misfit(self, found: Mapping[str, Shape]) -> str | None:
        """Why a file's tensors are not this network's, as a clause; None if they are, or nothing is known."""
        if self.vit:
            return vit_files.misfit(self.vit, found)
        for key, (kind, shape) in (self.tensors("") or {}).items():
            known = found.get(key[1:])
            if kind == "F32" and known is None:
                return f"it lacks '{key[1:]}', {list(shape)}"
            if kind == "F32" and tuple(known or ()) != shape:
                return f"its '{key[1:]}' is {list(known or ())}, not {list(shape)}"
        return None
