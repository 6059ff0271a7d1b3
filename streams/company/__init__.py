"""The last stage, where KPIs meet: formulas, lists and predictions."""
