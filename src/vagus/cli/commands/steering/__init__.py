"""What do I type to steer what runs? Pause and resume, cancel and drain, mode and pick."""
