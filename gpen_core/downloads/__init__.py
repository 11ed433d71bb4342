"""Getting a model file: resumable, checked before it gets its name."""
