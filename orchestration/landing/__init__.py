"""What has come, for ever: the bytes, the manifests of loads, and the seals that show damage.

Not here: what is in the bytes (`formats`). Nothing here is changed but by `privacy`.
"""
