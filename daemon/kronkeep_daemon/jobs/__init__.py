"""Jobs that kronkeep creates: run to their end, with their logs and what became of each container."""
