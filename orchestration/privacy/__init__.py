"""Find and erase persons: the only package that changes what has landed.

Not here: redacting messages (`installation.redaction`).
"""
