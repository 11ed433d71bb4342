"""MTCNN, the detector whose weights come with the package."""
