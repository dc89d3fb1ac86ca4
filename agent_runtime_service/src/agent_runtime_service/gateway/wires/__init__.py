"""The providers' own wires: what of each passes, how its answers are counted, how its faults are read.

No wire is translated into another: what a worker writes on a provider's wire reaches that provider.
"""
