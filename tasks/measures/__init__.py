"""Rate and distortion of one file: each module a measure, of `Image` and `Audio` values or of arrays.

`rate`: from bytes only. Pictures: `picture_distortion` (PSNR, SSIM, MS-SSIM; `windowed_moments` are their sums),
`gradient_similarity` (GMSD), `ssimulacra`, `deep_features` (distances of what `feature_network` makes of pictures).
Sounds: `sound_distortion` (SNR, SI-SDR, log-mel), `spectral_distance` (STFT at three resolutions), `speech_scores` (PESQ,
STOI). Texts: `text_errors` (edits between what is there and what was read). `bdrate`: curve over curve.
"""
