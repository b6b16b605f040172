"""Keep what we were told until it is done: durable before it is acknowledged, each event once, each patient once."""
