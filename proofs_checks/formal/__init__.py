"""The machine-checked core: Coq sources (`*.v`), the list of their theorems, and what compiles, weakens and evaluates
them. README.md says which theorem stands for which claim, and what is assumed about real numbers.
"""
