"""Where the WebUI keeps things."""

models_path = "models"
