"""Who carries out a pick? The members that can be chosen, the one that chooses, and the switch to another pick."""
