"""RetinaFace, through facexlib's network."""
