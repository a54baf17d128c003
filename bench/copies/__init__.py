"""The work of ``robobench corrupt`` and ``robobench preview``: degraded copies and contact sheets."""
