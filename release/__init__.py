"""What makes and checks releases: packages, the image, manifests, the bill of materials."""
