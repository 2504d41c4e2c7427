"""Messages and progress on standard error, and hostile text made safe to show."""
