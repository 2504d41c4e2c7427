"""Bytes on this machine and behind URLs: reads, staged files, uploads, the work directory."""
