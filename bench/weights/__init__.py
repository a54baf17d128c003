"""Trained weights: their files and cards, which of them a method uses, and what is missing."""
