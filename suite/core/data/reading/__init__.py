"""From files to tensors of bytes: download, and a reader for each format."""
