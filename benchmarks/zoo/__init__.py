"""The zoo: planted leaks, each a small realistic strategy beside its honest twin, and what catches them (`make zoo`)."""
