"""The stage in which a person over all accounts counts once."""
