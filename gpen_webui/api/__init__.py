"""The HTTP API beside the host's own: routes, limits, queue."""
