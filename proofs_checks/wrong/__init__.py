"""The classes behind `proofs_checks.mutants`."""
