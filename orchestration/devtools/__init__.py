"""Tools for developers: the demo, a server on loopback, generated pages and seeds.

Not here: anything that an installation needs.
"""
