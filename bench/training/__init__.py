"""Training weights: what a method is given (task), the loop (fitting), images (pools), recipes, studies."""
