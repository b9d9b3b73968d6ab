"""One module for each subcommand; its attribute `command` is loaded when it is called."""
