"""Coverage: which claims are backed up, by whom, and which are not."""
