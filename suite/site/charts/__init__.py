"""Charts of a site: positions and texts in Python, drawn as inline SVG by one template.

Each module makes a `Chart` from rows of the board, or None if there is nothing to draw; `drawing/` has the
axes and the marks, `templates/figures/chart.html` the SVG.
"""
