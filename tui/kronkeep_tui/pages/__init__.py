"""What is shown, as pure functions from records to spans and rows."""
