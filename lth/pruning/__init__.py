"""How weights are pruned: criteria, schedules, scopes, masks, and controls."""
