"""The views: what stands between the fixed rows of the screen."""
