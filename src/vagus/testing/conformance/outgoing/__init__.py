"""What comes out: who is handed which event, when, in which order, and what if nobody settles it."""
