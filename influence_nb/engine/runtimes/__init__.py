"""What runs a model: one file a runtime, each a `Model` (`engine/model.py`) that says what it can do."""
