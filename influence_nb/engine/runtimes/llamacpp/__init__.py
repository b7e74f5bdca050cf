"""Models in GGUF files, run in this process by llama.cpp through the package xllamacpp.

`library.py` opens a file, `words.py` tokenizes, `mapping.py` puts our sampling into its words, `answer.py` reads what
comes, `model.py` is the `Model`, `opening.py` loads one. None of them knows who asks.
"""
