"""Says what a state dict is that is not a GPEN generator, by names that only that network has."""

from collections.abc import Iterable
from typing import NamedTuple

from .network_kinds import Network


class _Signature(NamedTuple):
    network: Network
    keys: tuple[str, ...]


# A state dict is the first one of which it has every key. Order matters where one network
# contains another: CodeFormer and RestoreFormer a VQ autoencoder, Stable Diffusion a VAE.
_SIGNATURES = (
    _Signature(
        Network.ORIGINAL_GFPGAN,
        ("stylegan_decoder.style_mlp.1.weight", "conv_body_first.0.weight"),
    ),
    _Signature(Network.GFPGAN, ("stylegan_decoder.style_mlp.1.weight", "toRGB.0.weight")),
    _Signature(Network.CODEFORMER, ("position_emb", "quantize.embedding.weight")),
    _Signature(
        Network.RESTOREFORMER,
        ("quantize.embedding.weight", "encoder.conv_in.weight", "decoder.conv_out.weight"),
    ),
    _Signature(
        Network.RESTOREFORMER,
        ("vqvae.quantize.embedding.weight", "vqvae.encoder.conv_in.weight"),
    ),
    _Signature(Network.STABLE_DIFFUSION, ("model.diffusion_model.input_blocks.0.0.weight",)),
    _Signature(
        Network.STABLE_DIFFUSION_VAE,
        ("encoder.down.0.block.0.norm1.weight", "decoder.conv_out.weight"),
    ),
    _Signature(
        Network.RETINAFACE,
        ("ClassHead.0.conv1x1.weight", "LandmarkHead.0.conv1x1.weight"),
    ),
    _Signature(Network.YOLOV5_FACE, ("model.0.stem_1.conv.weight", "model.0.stem_2a.conv.weight")),
    _Signature(Network.PARSENET, ("encoder.0.conv2d.weight", "out_mask_conv.conv2d.weight")),
    _Signature(Network.BISENET, ("cp.resnet.conv1.weight", "conv_out16.conv_out.weight")),
    _Signature(Network.ESRGAN, ("conv_first.weight", "body.0.rdb1.conv1.weight")),
    _Signature(Network.ESRGAN, ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight")),
    _Signature(Network.ESRGAN, ("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight")),
    _Signature(
        Network.DISCRIMINATOR,
        ("convs.0.0.weight", "final_conv.0.weight", "final_linear.0.weight"),
    ),
    _Signature(Network.STYLEGAN2, ("input.input", "to_rgb1.conv.weight")),
    _Signature(
        Network.STYLEGAN2,
        ("constant_input.weight", "style_mlp.1.weight"),
    ),
)


def describe(keys: Iterable[str]) -> Network | None:
    """Says what the state dict with these `keys` is.

    Returns:
        None for an unknown network (and for GPEN's generator).
    """
    present = set(keys)
    matching = (network for network, needed in _SIGNATURES if present.issuperset(needed))
    return next(matching, None)
