"""From bytes to rows of text, and back: delimited files, workbooks, events.

Not here: what a row means; the models decide that.
"""
