"""Rate and distortion: `rate` (from bytes only), `picture_distortion`, `sound_distortion`, `bdrate` (curve over curve)."""
