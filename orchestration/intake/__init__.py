"""Intake: which dates are due, and taking inboxes, uploads and decisions into loads.

Not here: reading rows (`formats`) and keeping bytes (`landing`).
"""
