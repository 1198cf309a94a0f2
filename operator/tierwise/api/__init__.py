"""The API that users write, as pydantic models, and every reason."""
