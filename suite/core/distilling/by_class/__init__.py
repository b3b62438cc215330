"""Parts of methods that match real and synthetic images class by class."""
