"""What is asked of a store, with the dataset, windows and errors around it."""
