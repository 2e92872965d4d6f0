"""The benchmark: what a day costs here, with bare tools, and with two usual ways of doing it."""
