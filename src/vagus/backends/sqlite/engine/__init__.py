"""What happens inside one transaction? Everything here runs on the writer's thread, over one connection."""
