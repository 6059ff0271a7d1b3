"""The stage that adds up what all subjects contribute."""
