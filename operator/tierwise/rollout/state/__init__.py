"""What a decision is made from and made of: observations, actions, conditions, wording."""
