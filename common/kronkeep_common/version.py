"""The version of kronkeep: the packages, the API and the documents take it from here."""

VERSION = "0.1.0"
