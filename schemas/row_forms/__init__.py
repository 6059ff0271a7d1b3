"""The forms that rows of the catalogue have, in the words of their operators."""
