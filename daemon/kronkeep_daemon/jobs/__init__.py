"""The Jobs that kronkeep makes: built, run to their end, their logs read."""
