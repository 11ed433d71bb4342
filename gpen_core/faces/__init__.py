"""The value `Face`, and what looks at faces alone: choosing and drawing them."""
