"""The landing area, kept forever: the bytes, the manifests of loads, and the seals that show
damage.

Not here: what the bytes contain (`formats`). Only `privacy` changes anything here.
"""
