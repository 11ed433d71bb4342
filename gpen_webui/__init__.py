"""GPEN in the WebUI (Automatic1111, Forge and their kin), on top of `gpen_core`.

Only `host` and `settings` know how a WebUI differs from another; `service` holds the one loaded
model; each other module is one entry: the face restorer, Extras, generation, the tab, the API.
"""
