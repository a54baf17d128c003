"""From stored predictions to metrics, intervals and tables: pure functions of a run's cells."""
