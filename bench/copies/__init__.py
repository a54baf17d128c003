"""Degraded copies and contact sheets, for ``robobench corrupt`` and ``robobench preview``."""
