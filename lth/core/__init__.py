"""What all packages use: errors, seeds, durations, limits, field errors, arrays as bytes."""
