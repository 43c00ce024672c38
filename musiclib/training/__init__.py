"""The parts of the one training loop; `musiclib.pretrain` puts them together.

assemble      configuration -> data, views, method, and a run's folder -> trained network
steps         the loop itself: order and views as functions of the seed, forward, backward, update, watch
optimisers    SGD, LARS, AdamW; warm-up and cosine
progress      what a running loop shows
processes     device, process group, SIGTERM
command       the command line of `python -m musiclib.pretrain`
"""
