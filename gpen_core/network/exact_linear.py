"""Linear layers in the full precision of their type, also where a host wants less."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor


def exact_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear` in the full precision of its type also where matrices are multiplied in TF32.

    A matrix and a vector never are: for one face that is one step as well. For several it is two,
    in which each product is made before they are added up.

    Args:
        x: (faces, inputs).
        weight: (outputs, inputs).
        bias: (outputs).
    """
    if not may_multiply_in_tf32(x.device):
        return F.linear(x, weight, bias)
    if x.shape[0] == 1:
        row = weight.mv(x[0]) if bias is None else torch.addmv(bias, weight, x[0])
        return row.unsqueeze(0)
    sums = (x.unsqueeze(1) * weight).sum(2)
    return sums if bias is None else sums.add_(bias)


def may_multiply_in_tf32(device: torch.device) -> bool:
    """Whether matrices in float32 are multiplied in TF32 if a host wants it, as A1111 and Forge do.

    Nobody asks torch whether it does: the answer differs from version to version. "meta" stands in
    for CUDA where steps are counted.
    """
    return device.type in ("cuda", "meta")
