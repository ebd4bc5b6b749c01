"""Models as training and reference evaluation see them."""
