"""Makes verdicts, culprits and notes from the evidence."""
