"""What goes in: publishing, dedupe, delay, bounds, names, bad input."""
