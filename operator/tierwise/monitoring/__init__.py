"""One look: the queries to the prediction log, and the judgement of their results. Pure."""
