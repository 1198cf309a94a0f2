"""From evidence to verdicts, culprits and notes."""
