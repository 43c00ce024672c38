"""Every figure, as a function of data that returns a matplotlib figure; nothing is read, trained or saved here.

Axes carry names and units, repeated runs show their spread (t intervals, because runs are few), and the value that
means nothing has been learnt is drawn wherever there is one. `style` holds what all parts share; import a figure from
its part, since this package imports none: `training`, `codes`, `comparison`, `ablation`, `attributes`, `dynamics`,
`theory`.
"""
