"""How is a handler run? Members that take, attempts that settle, and the one way to commit."""
