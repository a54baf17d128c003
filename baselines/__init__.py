"""Methods that need no new idea: the classifier, degraded training, restoration."""
