"""Finding and erasing persons: the one package that rewrites what has landed.

Not here: hiding persons in messages (`installation.redaction`).
"""
