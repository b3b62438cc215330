"""A static site from the records of stores: `ratbench site`; needs neither torch nor ray.

    source.py      Source: the joined board, its records and stores; read once, given to every page
    pages.py       PAGES: the makers of pages; each takes a Source and yields Files
    index.py       the index, a maker: every table of the board, and a page for each
    view/          what tables show: columns, rows of text with the numbers behind it, their JSON
    details/       pages of methods, sets and figures, and the gallery
    charts/        what figures show, as marks that templates draw
    paths.py       where each page stands in the site, and links that are safe
    rendering.py   jinja2: `page(path, template, **values)` gives a File
    output.py      writes Files into a folder, without losing a user's files
    build.py       all of it: stores → files in a folder
    templates/     base.html holds the frame and the Content-Security-Policy
    static/        style sheets and scripts, copied to `static/` of the site

A new kind of page is a function `pages(source) -> Iterator[File]`, listed in `pages.PAGES`, and a
template that extends `base.html`. A picture is inline SVG as `markupsafe.Markup`, the only thing that
templates do not escape; whoever makes Markup has escaped what came from records. The policy refuses inline
scripts and `style=` attributes, in SVG, too: use classes of a style sheet or attributes such as `fill`.
"""
