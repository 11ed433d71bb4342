"""Saving, with the host's own list of parameters, names and ways to write."""

from pathlib import Path

from PIL import Image, PngImagePlugin

from modules.shared import opts

saved = []


def get_next_sequence_number(path, basename):
    numbers = [file.stem.split("-")[0] for file in Path(path).iterdir()]
    return max([int(number) for number in numbers if number.isdigit()], default=-1) + 1


def save_image(
    image,
    path,
    basename,
    seed=None,
    prompt=None,
    extension="png",
    info=None,
    short_filename=False,
    no_prompt=False,
    grid=False,
    pnginfo_section_name="parameters",
    p=None,
    existing_info=None,
    forced_filename=None,
    suffix="",
    save_to_dirs=None,
):
    assert path, "there is no folder to save to"
    saved.append({key: value for key, value in locals().items() if key != "saved"})
    Path(path).mkdir(parents=True, exist_ok=True)
    name = forced_filename
    if name is None:
        name = f"{get_next_sequence_number(path, basename):05}-{suffix}"
    file = str(Path(path) / f"{name}.{extension}")
    written = dict(existing_info or {})
    if info is not None:
        written[pnginfo_section_name] = info
    _write(image, file, extension, written, info)
    image.already_saved_as = file
    return file, None


def _write(image, file, extension, written, info):
    """As A1111 1.10.1 does: every text of the picture as str(), the infotext alone as EXIF."""
    if extension == "png":
        texts = PngImagePlugin.PngInfo()
        for name, value in written.items():
            if opts.enable_pnginfo:
                texts.add_text(name, str(value))
        image.save(file, "PNG", pnginfo=texts)
        return
    exif = Image.Exif()
    if opts.enable_pnginfo and info is not None:
        exif[0x8769] = {0x9286: b"UNICODE\0" + info.encode("utf-16-be")}
    image.convert("RGB").save(file, quality=opts.jpeg_quality, exif=exif)
