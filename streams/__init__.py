"""Pure computation: from events to KPI values and signals. No Kafka, no clock, no logging."""
