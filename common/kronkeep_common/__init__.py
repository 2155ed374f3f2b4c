"""What both sides speak: models, schedule arithmetic, filter grammar, client, text hygiene, errors."""
