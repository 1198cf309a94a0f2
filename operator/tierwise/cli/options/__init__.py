"""Options that several commands share, and the requests that are made from them."""
