"""The terminal and the command line of kronkeep."""
