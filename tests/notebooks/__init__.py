"""The notebooks are lessons, demos and tests; here they are run."""
