"""What other backup tools are set up to do, as kronkeep's storages and policies; pure."""
