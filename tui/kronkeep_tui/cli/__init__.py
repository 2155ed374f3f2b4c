"""The command line: one module a group of verbs; it starts without textual, kubernetes or tinydb."""
