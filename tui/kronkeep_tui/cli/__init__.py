"""The command line: one module for each group of verbs; it starts without textual, kubernetes or tinydb."""
