"""Manual pages and references, made from argparse's parsers and from the models."""
