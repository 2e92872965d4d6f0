"""What developers run: the demo, a server on loopback, generated pages and seeds.

Not here: anything that a server needs.
"""
