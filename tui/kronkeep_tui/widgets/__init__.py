"""The terminal's own widgets: few, measured in bytes on the wire."""
