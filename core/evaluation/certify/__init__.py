"""How good a map is, told by a person who looks at random points of it, with intervals that hold."""
