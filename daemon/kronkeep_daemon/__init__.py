"""kronkeepd: watch, record, archive, restore, alert, serve."""
