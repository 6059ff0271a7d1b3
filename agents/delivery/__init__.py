"""Delivery of alerts: from the topic, which is the truth, to webhooks, chats and mailboxes.

Every sink has two lanes, one for urgent alerts and one for the others, which wait in quiet hours.
A lane is a consumer group of its own with a thread of its own, so no sink and no lane holds up
another (docs/decisions/0060-two-lanes-for-each-sink.md).
"""
