"""The host's hold on a network."""

from __future__ import annotations

import torch


class ModelPatcher:
    """A network and where it runs and waits."""

    def __init__(
        self,
        model: torch.nn.Module,
        load_device: torch.device,
        offload_device: torch.device,
        size: int = 0,
        weight_inplace_update: bool = False,
    ) -> None:
        self.model = model
        self.load_device = load_device
        self.offload_device = offload_device
        self.size = size
        self.weight_inplace_update = weight_inplace_update
        # As the host does at every load: a network must not have a `device` of its own.
        model.device = offload_device  # pyright: ignore[reportArgumentType]

    def loaded_size(self) -> int:
        """Bytes of the weights that are where the network runs."""
        buffers = self.model.buffers()
        return sum(each.nbytes for each in buffers if each.device == self.load_device)
