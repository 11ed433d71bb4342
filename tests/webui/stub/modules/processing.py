"""Infotexts."""


def create_infotext(
    p, all_prompts, all_seeds, all_subseeds, comments=None, iteration=0, position_in_batch=0
):
    index = position_in_batch + iteration * p.batch_size
    return f"{all_prompts[index]}\nSeed: {all_seeds[index]}, Variation: {all_subseeds[index]}"
