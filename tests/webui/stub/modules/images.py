"""Saving, with the host's own list of parameters."""

saved = []


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
    return f"{path}/{basename}{len(saved)}{suffix}.{extension}", None
