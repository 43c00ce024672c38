"""A finished run for others to use: its encoder in common formats, checked after writing, and a model card.

source        a run's folder, opened: configuration, record, encoder, and the runs that differ in the seed alone
formats       what is written, and how it is held against the encoder before it gets its name
card          README.md in the layout that model hubs read, made from records
__main__      the command line: `python -m musiclib.export RUN --format safetensors`
"""
