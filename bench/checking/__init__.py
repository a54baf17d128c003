"""Is a run intact (verify), and is it worse than a frozen baseline (check)?"""
