"""What the README claims of speed, measured side by side on the machine at hand."""
