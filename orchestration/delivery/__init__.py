"""What goes out: files to outboxes, the ledger of attempts, the published copy for analysts.

Not here: what a payments file says, which the models decide.
"""
