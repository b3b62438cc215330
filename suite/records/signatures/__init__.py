"""Who vouches for the records of a store: signed lists of the sha256 of its files.

A seal says that a record is not damaged; anybody can seal. A signature says who vouches for the record.
OpenSSH's `ssh-keygen` makes it with an SSH key, which people publish (https://github.com/NAME.keys).
"""
