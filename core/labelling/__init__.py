"""What painted strokes teach about one scene, together with a model's answer."""
