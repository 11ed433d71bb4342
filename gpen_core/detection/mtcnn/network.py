"""The three networks of MTCNN and their embedded weights.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded
Convolutional Networks", IEEE Signal Processing Letters 2016. 495,850 parameters in all; licences
and provenance of the weights are in the folder LICENSES.

Every network takes RGB pictures (N, 3, H, W) scaled by (value - 127.5) / 128 and gives, last, the
probability of a face. Boxes are offsets of left, top, right, bottom as parts of the window's side.
"""

from __future__ import annotations

import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor, nn

from ..weight_files import EMBEDDED_FILE


class ProposalNet(nn.Module):
    """PNet: scores every 12x12 window, two pixels apart, of a whole picture."""

    WINDOW = 12
    STRIDE = 2

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Returns box offsets (N, 4, h, w) and face probabilities (N, h, w)."""
        x = self.pool1(self.prelu1(self.conv1(picture)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_2(x), self.conv4_1(x).softmax(1)[:, 1]


class RefinementNet(nn.Module):
    """RNet: scores and corrects windows resized to 24x24."""

    WINDOW = 24

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Returns box offsets (N, 4) and face probabilities (N,)."""
        x = self.pool1(self.prelu1(self.conv1(windows)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu4(self.dense4(_flatten_columns(self.prelu3(self.conv3(x)))))
        return self.dense5_2(x), self.dense5_1(x).softmax(1)[:, 1]


class OutputNet(nn.Module):
    """ONet: scores and corrects windows resized to 48x48 and places five landmarks in them."""

    WINDOW = 48

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns box offsets (N, 4), landmarks (N, 5, 2) in 0..1, face probabilities (N,)."""
        x = self.pool1(self.prelu1(self.conv1(windows)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu5(self.dense5(_flatten_columns(self.prelu4(self.conv4(x)))))
        landmarks = self.dense6_3(x).reshape(-1, 2, 5).transpose(1, 2)
        return self.dense6_2(x), landmarks, self.dense6_1(x).softmax(1)[:, 1]


class Mtcnn(nn.Module):
    """The three networks under one roof, so that one file holds them."""

    def __init__(self) -> None:
        super().__init__()
        self.pnet = ProposalNet()
        self.rnet = RefinementNet()
        self.onet = OutputNet()


def load_mtcnn(device: torch.device) -> Mtcnn:
    """The networks with the embedded weights, in float32, ready for inference."""
    weights = {name: t.float() for name, t in load_file(EMBEDDED_FILE, device="cpu").items()}
    # A host may have changed torch's default type and device, in which layers are made.
    with torch.device("meta"):
        network = Mtcnn()
    network.load_state_dict(weights, strict=True, assign=True)
    network = network.eval().requires_grad_(False).to(device, torch.float32)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            # Halves the time: with so few channels the other layout is bound by memory.
            layer.weight.data = layer.weight.contiguous(memory_format=torch.channels_last)
    return network


def _flatten_columns(features: Tensor) -> Tensor:
    """Flattens (N, C, H, W) column by column: the weights come from a column-major program."""
    return features.permute(0, 3, 2, 1).flatten(1)
