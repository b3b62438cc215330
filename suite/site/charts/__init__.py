"""Charts of a site: positions and texts in Python, drawn as inline SVG by one template."""
