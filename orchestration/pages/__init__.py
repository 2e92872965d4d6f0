"""The pages for operators, in a browser on this machine, and the guard before Dagster's own.

A page is a module with a `PAGE`: its title and address for the navigation, and its routes. `app`
puts the pages of its list together and guards them all; a new page needs nothing else. Pages work
without scripts.

Not here: rules, and changes. A page reads the published copy and puts what an operator confirms
into a spool folder; a run takes it from there.
"""
