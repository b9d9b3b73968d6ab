"""What stands around every publish and every handling? Functions of the user's, in the order of their adding."""
