"""Methods, evaluators and other plug-ins: find, load, configure and check them.

`methods` and `evaluators` in this folder are links to the repository's top-level folders, so that these are
installed and imported as parts of `suite`.
"""
