"""Delivery: files to outboxes, the ledger of attempts, the published copy for analysts.

Not here: the content of a payments file; the models decide that.
"""
