"""What this pack uses of ComfyUI's `comfy_api`."""
