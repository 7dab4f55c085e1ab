"""The demo: the main job of the platform, done visibly through its public interfaces alone."""
