"""From stored predictions to numbers: metrics, intervals, tables. Pure functions of a run's cells."""
