"""Simulators: the native one, the plain Python one and vectorbt trade the same plans; `simulate_many` trades many sets at
once."""
