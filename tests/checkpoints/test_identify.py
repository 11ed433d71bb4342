"""Naming networks that are not GPEN's, by the names of their weights."""

import importlib.util
import json
import subprocess
import sys

import pytest

from gpen_core.checkpoints.identify import describe

# torchvision may be built for another torch; these declarations are all that importing it needs.
_PRINT_KEYS = """
import json, warnings
warnings.simplefilter("ignore")
import torch
try:
    import torchvision
except RuntimeError:
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from facexlib.detection.retinaface import RetinaFace
from facexlib.parsing.bisenet import BiSeNet
from facexlib.parsing.parsenet import ParseNet
networks = {
    "the face detector RetinaFace": [RetinaFace("resnet50"), RetinaFace("mobile0.25")],
    "the face parser ParseNet": [ParseNet(in_size=512, out_size=512, parsing_ch=19)],
    "the face parser BiSeNet": [BiSeNet(19)],
}
print(json.dumps({n: [list(m.state_dict()) for m in ms] for n, ms in networks.items()}))
"""


def test_names_the_networks_of_facexlib():
    if importlib.util.find_spec("facexlib") is None:
        pytest.skip("facexlib is not installed")
    done = subprocess.run(
        [sys.executable, "-c", _PRINT_KEYS], capture_output=True, text=True, check=True
    )
    for name, all_keys in json.loads(done.stdout.splitlines()[-1]).items():
        for keys in all_keys:
            assert describe(keys) == name


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        (
            "GFPGAN",
            "conv_body_first.weight conv_body_down.0.conv1.weight final_conv.weight toRGB.0.weight "
            "final_linear.weight stylegan_decoder.style_mlp.1.weight condition_scale.0.0.weight",
        ),
        (
            "the original GFPGAN v1",
            "conv_body_first.0.weight conv_body_first.1.bias toRGB.0.weight final_linear.weight "
            "stylegan_decoder.style_mlp.1.weight condition_scale.0.0.weight",
        ),
        (
            "CodeFormer",
            "position_emb encoder.blocks.0.weight quantize.embedding.weight "
            "generator.blocks.0.weight feat_emb.weight ft_layers.0.self_attn.in_proj_weight "
            "idx_pred_layer.1.weight fuse_convs_dict.32.scale.0.weight",
        ),
        (
            "RestoreFormer",
            "encoder.conv_in.weight encoder.down.0.block.0.norm1.weight decoder.conv_out.weight "
            "encoder.conv_out.weight quantize.embedding.weight quant_conv.weight",
        ),
        (
            "RestoreFormer",
            "vqvae.encoder.conv_in.weight vqvae.quantize.embedding.weight loss.logvar",
        ),
        (
            "a Stable Diffusion checkpoint",
            "model.diffusion_model.input_blocks.0.0.weight "
            "first_stage_model.encoder.conv_in.weight",
        ),
        (
            "a Stable Diffusion VAE",
            "encoder.conv_in.weight encoder.down.0.block.0.norm1.weight decoder.conv_out.weight "
            "decoder.up.0.block.0.norm1.weight quant_conv.weight post_quant_conv.weight",
        ),
        (
            "a YOLOv5 face detector",
            "model.0.stem_1.conv.weight model.0.stem_2a.conv.weight model.0.stem_3.conv.weight",
        ),
        ("an ESRGAN upscaler", "conv_first.weight body.0.rdb1.conv1.weight conv_last.weight"),
        ("an ESRGAN upscaler", "conv_first.weight RRDB_trunk.0.RDB1.conv1.weight HRconv.weight"),
        ("an ESRGAN upscaler", "model.0.weight model.1.sub.0.RDB1.conv1.0.weight"),
        (
            "the discriminator of GPEN or StyleGAN2, needed only for training",
            "convs.0.0.weight convs.0.1.bias convs.1.conv1.0.weight convs.1.skip.1.weight "
            "final_conv.0.weight final_linear.0.weight final_linear.1.bias",
        ),
        (
            "a StyleGAN2 generator, without GPEN's encoder",
            "style.1.weight input.input conv1.conv.weight to_rgb1.conv.weight convs.0.conv.weight",
        ),
        (
            "a StyleGAN2 generator, without GPEN's encoder",
            "style_mlp.1.weight constant_input.weight style_conv1.weight to_rgb1.bias",
        ),
        (
            None,  # GPEN's generator
            "ecd0.0.0.weight ecd0.0.1.bias ecd1.0.0.kernel ecd1.0.1.weight final_linear.0.weight "
            "generator.style.1.weight generator.input.input generator.to_rgb1.conv.weight "
            "generator.convs.0.conv.weight",
        ),
        (None, "some.other.weight"),
        (None, ""),
    ],
)
def test_names_networks_by_their_keys(name: str | None, keys: str):
    assert describe(keys.split()) == name
    assert describe(dict.fromkeys(keys.split())) == name
