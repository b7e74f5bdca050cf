"""What texts are worth: measures of completions, and pictures of them.

It knows completions and encoders; it does not know widgets or servers.
"""
