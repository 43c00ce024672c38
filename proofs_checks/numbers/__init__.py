"""What a check computes with: exact arithmetic, enclosures, tolerances, and formulas by a second route."""
