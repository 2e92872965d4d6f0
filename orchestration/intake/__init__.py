"""What is due and what is taken: inboxes, uploads, decisions, and the loads made of them.

Not here: reading rows (`formats`) and keeping bytes (`landing`).
"""
