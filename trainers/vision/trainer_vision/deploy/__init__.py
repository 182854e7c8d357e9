"""Export of trained models: one graph for every format, what each format can carry, and the proof that it says the same.

A trainer's deploy.py describes its model once (`Subject`); from that follow the graph with its preprocessing and
postprocessing, the program that converters read without the framework, metadata.json, parity and validation. What stands
around the model in a package (wrappers, README, Dockerfile) is `package`'s.
"""
