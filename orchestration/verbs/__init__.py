"""The verbs of the command, one module for those that need the same: see `orchestration.__main__`.

What a module here imports, its verbs wait for. Not here: what a verb does once it knows its
arguments.
"""
