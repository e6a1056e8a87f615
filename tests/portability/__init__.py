"""Does the suite work on any machine? ``python -m tests.portability`` runs its tests and a sweep in many settings."""
