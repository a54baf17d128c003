"""A method with its weights as one file that other software runs."""
