"""The contracts with the organizations: read and check the seeds.

Not here: connecting to a server or reading a file of an organization.
"""
