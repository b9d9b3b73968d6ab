"""Did the run keep its promises? Pure functions over a history: no clock, no process, no file."""
