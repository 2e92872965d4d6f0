"""The pages for operators, in a browser on this machine.

A page is a module with a `PAGE`: its title and address for the navigation, and its routes. `app`
puts the pages of its list together and guards them all; a new page needs nothing else. Pages are
made here and work without scripts. They change nothing by themselves: what an operator confirms is
handed to a spool folder, and a run takes it from there.
"""
