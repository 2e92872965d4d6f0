"""What pages ask the published copy: a function for each question, its answer in values.

Not here: rules. A query selects and counts what the models have decided.
"""
