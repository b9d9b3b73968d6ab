"""The picks that come with vagus, each in a few lines, and how all picks are written down and read again."""
