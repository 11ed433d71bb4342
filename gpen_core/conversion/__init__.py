"""GPEN models from one file format to another."""
