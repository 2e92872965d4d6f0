"""SFTP servers of organizations: connections, keys, deadlines, transfers of whole files.

Not here: which files to fetch (`intake`) and which to send (`delivery`).
"""
