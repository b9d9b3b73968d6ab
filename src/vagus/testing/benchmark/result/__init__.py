"""What was measured, how it stands to its bars, and how it is shown: figures in, text and pictures out."""
