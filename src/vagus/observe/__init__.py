"""What can be seen? Guests of the app: they read its facts, and nothing below knows of them."""
