"""Which network a file holds or speaks of, apart from the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Network(str, Enum):
    """A kind of network, or several that look alike; its text is what people call it."""

    GPEN = "GPEN"
    DISCRIMINATOR = "the discriminator of GPEN or StyleGAN2, needed only for training"
    STYLEGAN2 = "a StyleGAN2 generator, without GPEN's encoder"
    GFPGAN = "GFPGAN"
    ORIGINAL_GFPGAN = "the original GFPGAN v1"
    CODEFORMER = "CodeFormer"
    RESTOREFORMER = "RestoreFormer"
    CODEBOOK = "CodeFormer or RestoreFormer, by its codebook"
    STABLE_DIFFUSION = "a Stable Diffusion checkpoint"
    STABLE_DIFFUSION_VAE = "a Stable Diffusion VAE"
    RETINAFACE = "the face detector RetinaFace"
    SCRFD = "the face detector SCRFD"
    YUNET = "the face detector YuNet"
    YOLOV5_FACE = "a YOLOv5 face detector"
    FACE_DETECTOR = "a face detector"
    PARSENET = "the face parser ParseNet"
    BISENET = "the face parser BiSeNet"
    ESRGAN = "an ESRGAN upscaler"

    def __str__(self) -> str:
        return self.value

    def may_be(self, other: Network) -> bool:
        """Whether one file can be both, as far as the two can be distinguished from others."""
        return bool(_open(self) & _open(other))


_SEVERAL: Mapping[Network, frozenset[Network]] = {
    Network.GFPGAN: frozenset({Network.GFPGAN, Network.ORIGINAL_GFPGAN}),
    Network.CODEBOOK: frozenset({Network.CODEFORMER, Network.RESTOREFORMER}),
    Network.FACE_DETECTOR: frozenset(
        {Network.RETINAFACE, Network.SCRFD, Network.YUNET, Network.YOLOV5_FACE}
    ),
}


def _open(network: Network) -> frozenset[Network]:
    """The networks that remain possible."""
    return _SEVERAL.get(network, frozenset({network}))
