"""A profile spelt out into jobs, with all mistakes told at once; nothing is started here."""
