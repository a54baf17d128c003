"""Trained weights: cards and files, which of them a method takes, and what is missing."""
