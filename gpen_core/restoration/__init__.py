"""The pipeline: detect, align, restore, paste back, report."""
