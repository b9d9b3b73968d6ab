"""How does code that cannot await use an app? An event loop in a thread of its own, asked from any other."""
