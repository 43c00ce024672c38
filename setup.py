"""The packages of the distribution; everything else is in pyproject.toml.

Notebooks lie at the top of the checkout and inside `reproduce` in a wheel, where no other project's files are.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["musiclib*", "proofs_checks*", "reproduce*"], exclude=["proofs_checks.tests*"]),
        "reproduce.notebooks",
    ],
    package_dir={"reproduce.notebooks": "notebooks"},
)
