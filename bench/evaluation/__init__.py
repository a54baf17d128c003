"""From a configuration to filled cells: the plan of a run and its execution."""
