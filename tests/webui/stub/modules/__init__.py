"""The parts of a WebUI that an extension meets, as strict as the strictest of them."""
