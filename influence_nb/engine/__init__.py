"""The engine: turns a model on disk into a `Model` that talks, token by token, in the open.

It knows torch and transformers; it knows nothing of the Hub, of widgets or of servers.
"""
