"""The main job on real flights."""
