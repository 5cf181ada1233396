"""Drawing off screen: the one renderer, pictures that move on textures, and why drawing does not work."""
