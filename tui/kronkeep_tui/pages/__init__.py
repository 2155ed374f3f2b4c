"""Content of the views, as pure functions from records to spans and rows."""
