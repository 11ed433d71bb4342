"""GPEN within the host's own work: txt2img and img2img, Extras, face restorer, X/Y/Z plot."""
