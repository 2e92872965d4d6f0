"""SFTP servers of organizations: connections, keys, deadlines, transfers of whole files.

Not here: which files are wanted (`intake`) and which are sent (`delivery`).
"""
