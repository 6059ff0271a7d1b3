"""The worked example of every row of the catalogue, as facts and expected numbers.

The cases are written from the definitions alone, so that they and the code check each other.
"""
