"""What `gpen bench` measures, how, and what becomes of the figures."""
