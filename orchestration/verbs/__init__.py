"""The verbs of the command, grouped by the modules that they need: see `orchestration.__main__`.

A verb waits for the imports of its module. Not here: what a verb does once its arguments are
parsed.
"""
