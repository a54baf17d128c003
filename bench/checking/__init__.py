"""Is a run whole (verify), and is it worse than a frozen baseline (check)?"""
