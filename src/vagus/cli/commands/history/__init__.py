"""What lay in the log, from the command line: handed out again, written to a file, stored from one."""
