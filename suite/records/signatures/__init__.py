"""Who vouches for the records of a store: signed lists of the sha256 of its files.

A seal says that a record is not damaged; anybody can seal. A signature says who vouches for it. It is made
with an SSH key, as people have and publish (https://github.com/NAME.keys), by `ssh-keygen` of OpenSSH.
"""
