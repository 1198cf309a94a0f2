"""The input and output of a decision: observations, actions, conditions, wording."""
