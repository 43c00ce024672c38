"""Mutation testing of the core: change the code a little, everywhere, and see that a test goes red.

mutmut makes the mutants (another operator, constant or argument, None for a value ...); `judge` tries each against the
tests of the core, in a copy of the sources, so that work on the checkout does not disturb a run. What survives must be
in `equivalent_mutants.yaml`, with the reason why no test can tell it from the original, and what is there must survive.
A survivor without a reason is given to the checks of this package before it is called one; a mutant that timed out is
tried again in a fresh process. An interrupted run goes on where it stopped, as long as no source has changed.

Not tried, by rule: the words of an error (mutants inside a `raise` statement: they cannot change which condition
raises). Not mutated by mutmut: module constants, and functions with decorators other than staticmethod, of which these
files have one, the backward of the streaming form; `tests/test_guarantees.py` breaks that by hand. Left out as judges:
the two-process tests, which start processes, and torch.compile, which does not see through mutmut's switch.

Beside that, `guarantees.yaml` names what the library guarantees, line by line, and what goes red without each line.
"""
