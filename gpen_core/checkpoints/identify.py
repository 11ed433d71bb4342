"""Says what a state dict is that is no GPEN generator, by names that only that network has."""

from collections.abc import Iterable
from typing import NamedTuple


class _Signature(NamedTuple):
    name: str
    keys: tuple[str, ...]


# A state dict is the first one of which it has every key. Order matters where one network
# contains another: CodeFormer and RestoreFormer a VQ autoencoder, Stable Diffusion a VAE.
_SIGNATURES = (
    _Signature(
        "the original GFPGAN v1",
        ("stylegan_decoder.style_mlp.1.weight", "conv_body_first.0.weight"),
    ),
    _Signature("GFPGAN", ("stylegan_decoder.style_mlp.1.weight", "toRGB.0.weight")),
    _Signature("CodeFormer", ("position_emb", "quantize.embedding.weight")),
    _Signature(
        "RestoreFormer",
        ("quantize.embedding.weight", "encoder.conv_in.weight", "decoder.conv_out.weight"),
    ),
    _Signature(
        "RestoreFormer",
        ("vqvae.quantize.embedding.weight", "vqvae.encoder.conv_in.weight"),
    ),
    _Signature("a Stable Diffusion checkpoint", ("model.diffusion_model.input_blocks.0.0.weight",)),
    _Signature(
        "a Stable Diffusion VAE", ("encoder.down.0.block.0.norm1.weight", "decoder.conv_out.weight")
    ),
    _Signature(
        "the face detector RetinaFace",
        ("ClassHead.0.conv1x1.weight", "LandmarkHead.0.conv1x1.weight"),
    ),
    _Signature(
        "a YOLOv5 face detector", ("model.0.stem_1.conv.weight", "model.0.stem_2a.conv.weight")
    ),
    _Signature(
        "the face parser ParseNet", ("encoder.0.conv2d.weight", "out_mask_conv.conv2d.weight")
    ),
    _Signature("the face parser BiSeNet", ("cp.resnet.conv1.weight", "conv_out16.conv_out.weight")),
    _Signature("an ESRGAN upscaler", ("conv_first.weight", "body.0.rdb1.conv1.weight")),
    _Signature("an ESRGAN upscaler", ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight")),
    _Signature("an ESRGAN upscaler", ("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight")),
    _Signature(
        "the discriminator of GPEN or StyleGAN2, needed only for training",
        ("convs.0.0.weight", "final_conv.0.weight", "final_linear.0.weight"),
    ),
    _Signature(
        "a StyleGAN2 generator, without GPEN's encoder", ("input.input", "to_rgb1.conv.weight")
    ),
    _Signature(
        "a StyleGAN2 generator, without GPEN's encoder",
        ("constant_input.weight", "style_mlp.1.weight"),
    ),
)


def describe(keys: Iterable[str]) -> str | None:
    """Says what the state dict with these `keys` is: "GFPGAN", "the face parser ParseNet".

    Returns:
        The network's name, with an article where it needs one, or None for an unknown network
        (and for GPEN's generator).
    """
    present = set(keys)
    matching = (name for name, needed in _SIGNATURES if present.issuperset(needed))
    return next(matching, None)
