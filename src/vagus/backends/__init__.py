"""How do bytes get in and out of one outside system? One folder each, with the same file names."""
