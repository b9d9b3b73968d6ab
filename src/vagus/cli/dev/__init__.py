"""How is an app run while it is being written? One process watches the files, others work and take over in turn."""
