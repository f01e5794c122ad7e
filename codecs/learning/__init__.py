"""What training of codec parts needs, and searching encoders; torch, numpy and safetensors only, where the extension is not
built, but for `tensor_synthesis`, `context_networks`, `encoded_coefficients` and `decoder_gradient`.

In reading order: `tensor_wavelet` (packets of tensors), `tensor_encoder` (the transform of a model, differentiable),
`tensor_synthesis` (pixels of latents as packs give them), `context_rate` (bits under learned contexts), `learner` (what a
part that is learned has to say), `transform_learner`, `encoded_coefficients` (as files have them), `synthesis_learner`,
`synthesis_turning` (its start from another model's); `context_networks` (those of profile best, which
`fitting.subband_fitting` trains); `decoder_gradient` (of decoded pixels, for effort 3);
`picture_score` (what a tuning is fitted to; one is in `tensor_ms_ssim`), `band_weights` (what errors of each band cost by
it, for `fitting.score_tuning`).
"""
