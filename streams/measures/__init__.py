"""All the state that a subject has, in measures that every KPI shares."""
