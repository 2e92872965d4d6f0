"""An installation: its folders, lock, warehouse and dbt project, and damage to them.

Not here: the contracts, and what a file means.
"""
