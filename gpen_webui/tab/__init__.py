"""The GPEN tab: its page, modes and the work behind its buttons."""
