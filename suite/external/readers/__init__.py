"""What reads the file formats of others, inside the sandbox."""
