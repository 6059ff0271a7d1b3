"""The stage that reads: raw records become facts."""
