"""What this pack uses of ComfyUI's `comfy`, for tests and type checks without ComfyUI.

Names, parameters and behaviour follow ComfyUI 0.3.64; a test compares them with a real one.
"""
