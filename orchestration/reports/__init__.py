"""Reports to people: the terminal, alerts, findings, and verification.

Not here: anything that changes what is kept.
"""
