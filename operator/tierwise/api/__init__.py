"""What users write: pydantic models, nothing else."""
