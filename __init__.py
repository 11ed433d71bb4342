"""A custom node of ComfyUI and an extension of WebUIs; what they share is in gpen_core."""
