"""One look: what is asked of the prediction log, and what the answer is worth. Pure."""
