"""The pages of a site beside its tables: figures, methods, sets and the gallery.

sets.py        Set: each distilled set of the board, with its record, its files and its picture
papers.py      Facts of methods, which need the methods' code: `suite.cli.publishing` gathers them
figures.py     a page of charts for each task and network, and one over all tables
methods.py     a page for each label of a row
artefacts.py   a page for each set, and the gallery of all
"""
