"""From records to tables, verdicts and the report."""
