"""Anybody's implementation under test: of MUSIC (the register's checks), or of one of its ten peers (five checks each).

python -m proofs_checks --target package.module:adapter                 an implementation of MUSIC
python -m proofs_checks --peer simclr --target package.module:adapter   an implementation of a peer

target     load what the dotted path names, and what it has to be
adapter    ask it what a check asks an `Objective`, or say that it cannot be asked
limits     how fine its arithmetic is, and how far apart it lets two views be
judge      one check on it: held, within its limits, refuted, crashed or not asked
alike      which wrong losses fail as it does
verdicts   the verdict table and its data
command    the command line's part
examples   two adapters written as outsiders would
peers      what is stated of the ten peers, and their checks
loops      the ten peers' losses as loops over Python floats
processes  a function in two processes
"""
