"""Readers of other software's file formats, run inside the sandbox.

Each raises `suite.external.validate.Refused`, in one sentence, for a file that it cannot read.
"""
