"""GPEN's network: configuration from tensors, layers on bands of rows, the generator."""
