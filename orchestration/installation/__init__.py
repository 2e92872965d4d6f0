"""Where Saldo lives: its folders, its lock, its warehouse, its dbt project, and damage to them.

Not here: what an organization agreed to, and what a file means.
"""
