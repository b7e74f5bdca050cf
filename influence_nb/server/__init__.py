"""The HTTP server: one loaded model for every program, over Ollama's API, OpenAI's and our own.

It does not know how a model is found, loaded or run. The web framework is imported in here only.
"""

from influence_nb.server.running import Server, serve

__all__ = ["Server", "serve"]
