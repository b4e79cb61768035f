"""What every package uses: errors, seeds, durations, limits, wrong fields, arrays as bytes."""
