"""What every layer may use: devices, threads, cancellation, files. Knows no faces and no models."""
