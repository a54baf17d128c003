"""Baseline methods: the plain classifier, training on degraded images, restoration."""
