"""Degradation-aware methods: level-aware classifiers and plug-in modules."""
