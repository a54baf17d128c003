"""Making weights: what a method is given (task), the loop (fitting), images (pools), settings (recipes)."""
