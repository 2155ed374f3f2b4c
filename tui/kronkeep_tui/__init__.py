"""kronkeep: the terminal and the command line."""
