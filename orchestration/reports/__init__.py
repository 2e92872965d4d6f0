"""What people are told: the terminal, alerts, findings, whether all agrees.

Not here: anything that changes what is kept.
"""
