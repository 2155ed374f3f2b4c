"""Side-by-side measurements, reported as ratios; see README.md."""
