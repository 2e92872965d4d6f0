"""What an organization agreed to: the seeds, read and checked.

Not here: opening a server or reading a file of an organization.
"""
