"""Putting restored crops back: which pixels, in which colour, and how faces share them."""
