"""Widgets of the terminal; each redraws only what changed, to save bytes on a slow link."""
