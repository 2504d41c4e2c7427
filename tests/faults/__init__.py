"""Broken input, full disks, killed processes: nothing is lost and nothing is silent."""
