"""The form's core, pure: its fields, their texts, the draft they make, and what is said of it."""
