"""Texts as vectors, vectors as a map, and how near things really are.

It knows nothing of widgets or servers: maps are plain values with a matplotlib picture.
"""
